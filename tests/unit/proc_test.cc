#include "lib/proc/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "lib/proc/memory.h"
#include "lib/proc/mount.h"
#include "lib/proc/orphans.h"
#include "lib/proc/steady.h"
#include "lib/sys/child.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::proc {
namespace {

using test::TempDir;

sys::Child start_sleep() {
    sys::Command command;
    command.args = {"sleep", "60"};
    return sys::Child::start(command);
}

Stat process(pid_t pid, pid_t parent) {
    Stat stat;
    stat.id.pid = pid;
    stat.parent = parent;
    return stat;
}

TEST_CASE("a process reads itself") {
    const std::optional<Stat> self = read_stat(::getpid());
    REQUIRE(self);
    REQUIRE(self->id.pid == ::getpid());
    REQUIRE(self->id.start_time > 0);
    REQUIRE(self->state == 'R');
    REQUIRE(self->parent == ::getppid());
    REQUIRE(self->process_group == ::getpgrp());
    REQUIRE(self->session == ::getsid(0));
    REQUIRE(is_alive(self->id));
    REQUIRE_FALSE(is_alive({::getpid(), self->id.start_time + 1}));
    REQUIRE(read_status(::getpid()).uid == ::geteuid());
    REQUIRE(namespace_inode(::getpid(), "mnt") != 0);
    REQUIRE(namespace_inode(::getpid(), "mnt") == namespace_inode(::getppid(), "mnt"));
    REQUIRE(namespace_inode(::getpid(), "none") == 0);
    REQUIRE_FALSE(read_stat(-1));
    REQUIRE_FALSE(read_stat(0x7ffffffe));
}

TEST_CASE("the mount on which a path lies") {
    const TempDir temp;
    std::filesystem::create_directory(temp / "disk");
    std::filesystem::create_symlink(temp / "disk", temp / "link");
    std::vector<Mount> mounts(5);
    mounts[0].mount_point = "/";
    mounts[1].mount_point = "/srv/data";
    mounts[2].mount_point = "/srv";
    mounts[3].mount_point = "/srv/data";
    mounts[4].mount_point = std::filesystem::canonical(temp / "disk");
    REQUIRE(&mount_of("/srv/data/file", mounts) == &mounts[3]);  // it covers the other one
    REQUIRE(&mount_of("/srv/data", mounts) == &mounts[3]);
    REQUIRE(&mount_of("/srv/database", mounts) == &mounts[2]);
    REQUIRE(&mount_of("/usr", mounts) == &mounts[0]);
    REQUIRE(&mount_of(temp / "link/not/there", mounts) == &mounts[4]);
}

TEST_CASE("a folder that is bound onto itself is there without that") {
    const auto mount = [](int id, int parent, const char* device, const char* root, const char* place) {
        Mount made;
        made.id = id;
        made.parent_id = parent;
        made.device = device;
        made.root = root;
        made.mount_point = place;
        return made;
    };
    const std::vector<Mount> mounts{mount(1, 0, "8:1", "/", "/"), mount(2, 1, "8:2", "/@var", "/var"),
                                    mount(3, 2, "8:2", "/@var/lib/a", "/var/lib/a"),
                                    mount(4, 2, "8:2", "/@var/lib/a", "/var/lib/b")};
    REQUIRE(repeated_by(mounts[2], mounts) == &mounts[1]);
    REQUIRE(repeated_by(mounts[3], mounts) == nullptr);
    REQUIRE(repeated_by(mounts[1], mounts) == nullptr);
    REQUIRE(repeated_by(mounts[0], mounts) == nullptr);
}

TEST_CASE("a command may hold anything") {
    std::array<char, 16> before{};
    REQUIRE(::prctl(PR_GET_NAME, before.data()) == 0);
    for (const char* name : {"a) R 1 1 1 (b", "((", "))", "new\nline", "", " "}) {
        REQUIRE(::prctl(PR_SET_NAME, name) == 0);
        const std::optional<Stat> self = read_stat(::getpid());
        (void)::prctl(PR_SET_NAME, before.data());
        INFO(name);
        REQUIRE(self);
        REQUIRE(self->command == name);
        REQUIRE(self->parent == ::getppid());
        REQUIRE(self->id == read_stat(::getpid())->id);
    }
}

TEST_CASE("a zombie is not alive, and holds its pid until it is reaped") {
    sys::Child child = start_sleep();
    const Identity id = read_stat(child.pid())->id;
    REQUIRE(is_alive(id));
    REQUIRE(wait_until_free({id.pid}, 10) == id.pid);
    child.signal(SIGKILL);
    siginfo_t ended{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(id.pid), &ended, WEXITED | WNOWAIT) == 0);
    REQUIRE(read_stat(id.pid)->state == 'Z');
    REQUIRE_FALSE(is_alive(id));
    REQUIRE(wait_until_free({id.pid}, 10) == id.pid);
    (void)child.wait();
    REQUIRE_FALSE(wait_until_free({id.pid}, 1000));
    REQUIRE_FALSE(read_stat(id.pid));
}

TEST_CASE("a pid is not free as long as a zombie is of its session or process group") {
    const Orphans orphans;
    const pid_t leader = ::fork();
    if (leader == 0) {
        (void)::setsid();
        if (::fork() == 0) ::pause();
        ::_exit(0);
    }
    REQUIRE(::waitpid(leader, nullptr, 0) == leader);
    REQUIRE_FALSE(read_stat(leader));
    REQUIRE(wait_until_free({leader}, 10) == leader);
    orphans.kill_all();
    REQUIRE(wait_until_free({leader}, 10) == leader);
    orphans.end_all();
    REQUIRE_FALSE(wait_until_free({leader}, 1000));
}

TEST_CASE("a tree holds its root and all that descends from it, parents first") {
    // In no order, with other processes between, and a loop that must not hang.
    const std::vector<Stat> all{process(30, 20), process(1, 0),   process(20, 10), process(10, 1),
                                process(11, 1),  process(21, 10), process(40, 30), process(2, 0)};
    std::vector<pid_t> pids;
    for (const Stat& stat : tree_of(10, all)) pids.push_back(stat.id.pid);
    REQUIRE(pids == std::vector<pid_t>{10, 20, 21, 30, 40});
    REQUIRE(tree_of(99, all).empty());
    REQUIRE(tree_of(40, all).size() == 1);
}

TEST_CASE("live trees and ancestors") {
    const sys::Child child = start_sleep();
    const std::vector<Stat> tree = tree_of(::getpid(), all_processes());
    REQUIRE(tree.size() == 2);
    REQUIRE(tree[0].id.pid == ::getpid());
    REQUIRE(tree[1].id.pid == child.pid());
    REQUIRE(is_ancestor(::getpid(), child.pid()));
    REQUIRE(is_ancestor(::getpid(), ::getpid()));
    REQUIRE(is_ancestor(::getppid(), child.pid()));
    REQUIRE_FALSE(is_ancestor(child.pid(), ::getpid()));
}

TEST_CASE("open files come with their flags and offsets") {
    const TempDir temp;
    test::write(temp / "file", "0123456789");
    const sys::UniqueFd fd = sys::open_path(temp / "file", O_RDWR | O_APPEND);
    REQUIRE(::lseek(fd.get(), 4, SEEK_SET) == 4);
    test::write(temp / "gone", "x");
    const sys::UniqueFd gone = sys::open_path(temp / "gone", O_RDONLY);
    std::filesystem::remove(temp / "gone");

    struct stat info {};
    REQUIRE(::fstat(fd.get(), &info) == 0);
    const std::vector<OpenFile> files = open_files(::getpid());
    const auto find = [&](int number) {
        return *std::find_if(files.begin(), files.end(), [&](const OpenFile& file) { return file.number == number; });
    };
    const OpenFile file = find(fd.get());
    REQUIRE(file.target == (temp / "file").string());
    REQUIRE(file.offset == 4);
    REQUIRE((file.flags & O_ACCMODE) == O_RDWR);
    REQUIRE((file.flags & O_APPEND) != 0);
    REQUIRE(file.mount_id > 0);
    REQUIRE(find(gone.get()).target == (temp / "gone").string() + " (deleted)");
    REQUIRE((find(gone.get()).flags & O_ACCMODE) == O_RDONLY);
    // Linux 5.14 has the inode in fdinfo.
    if (file.inode != 0) REQUIRE(file.inode == info.st_ino);
}

TEST_CASE("file mappings come with what may be done to them") {
    const TempDir temp;
    const Path path = temp / "a file";
    test::write(path, std::string(8192, 'm'));
    const sys::UniqueFd fd = sys::open_path(path, O_RDWR);
    void* shared = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    void* own = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0);
    std::vector<FileMapping> found;
    for (const FileMapping& mapping : file_mappings(::getpid()))
        if (mapping.path == path.native()) found.push_back(mapping);
    (void)::munmap(shared, 8192);
    (void)::munmap(own, 4096);
    REQUIRE(found.size() == 2);
    const FileMapping& first = found[0].shared ? found[0] : found[1];
    const FileMapping& second = found[0].shared ? found[1] : found[0];
    REQUIRE(first.start == reinterpret_cast<std::uint64_t>(shared));
    REQUIRE(first.end - first.start == 8192);
    REQUIRE(first.writable);
    REQUIRE(first.shared);
    REQUIRE_FALSE(second.shared);
    REQUIRE(second.writable);
}

TEST_CASE("mounts and cgroups of this process") {
    const std::vector<Mount> all = mounts(::getpid());
    const auto root = std::find_if(all.begin(), all.end(), [](const Mount& mount) { return mount.mount_point == "/"; });
    REQUIRE(root != all.end());
    REQUIRE_FALSE(root->type.empty());
    REQUIRE(root->id > 0);
    REQUIRE(test::contains(root->device, ":"));
    const auto proc =
        std::find_if(all.begin(), all.end(), [](const Mount& mount) { return mount.mount_point == "/proc"; });
    REQUIRE(proc != all.end());
    REQUIRE(proc->type == "proc");
    REQUIRE(proc->root == "/");
    REQUIRE_FALSE(cgroups(::getpid()).empty());
    for (const CgroupMembership& group : cgroups(::getpid())) REQUIRE(group.path.starts_with("/"));
    REQUIRE(mounts(0x7ffffffe).empty());
    REQUIRE(open_files(0x7ffffffe).empty());
}

/// Mounts at odd names in a mount namespace of a child's own; what of that went wrong, or 77 where
/// this may not be done.
int mount_and_look(const Path& folder) {
    const std::string name = folder / "a b\tc\nd\\e#";
    if (::unshare(CLONE_NEWNS) < 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return 77;
    if (::mkdir(name.c_str(), 0700) < 0 || ::mount("odd source", name.c_str(), "tmpfs", 0, "size=64k") < 0) return 77;
    for (const Mount& mount : mounts(::getpid()))
        if (mount.mount_point == name)
            return mount.source == "odd source" && mount.type == "tmpfs" && mount.root == "/" && !mount.shared &&
                           test::contains(mount.super_options, "size=64k")
                       ? 0
                       : 1;
    return 2;
}

TEST_CASE("mount points may hold anything") {
    if (!test::is_root()) return;
    const TempDir temp;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(mount_and_look(temp.path()));
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
}

TEST_CASE("a descriptor that leads elsewhere while it is looked at", "[proc]") {
    std::vector<std::string> links{"/count", "pipe:[1]", "pipe:[1]"};
    std::vector<std::string> seen;
    const auto read = [&]() -> std::optional<std::string> {
        if (links.empty()) return std::nullopt;
        std::string first = links.front();
        links.erase(links.begin());
        return first;
    };
    const auto look = [&](const std::string& link) {
        seen.push_back(link);
        return true;
    };
    CHECK(look_steadily(read, look));
    CHECK(seen == std::vector<std::string>{"/count", "pipe:[1]"});
    links = {"/count"};
    CHECK_FALSE(look_steadily(read, look));  // closed meanwhile
    CHECK_FALSE(look_steadily(read, look));
}

TEST_CASE("what is left of a control group's memory", "[proc]") {
    const TempDir temp;
    const auto write = [&](const std::string& name, const std::string& text) { test::write(temp / name, text); };
    CHECK(room_in_group(temp.path(), "/") == UINT64_MAX);
    write("a/memory.max", "max\n");
    write("a/b/memory.max", "1000\n");
    write("a/b/memory.current", "700\n");
    write("a/b/memory.stat", "anon 500\nfile 150\n");
    write("a/b/c/memory.max", "max\n");
    CHECK(room_in_group(temp.path(), "/a") == UINT64_MAX);
    CHECK(room_in_group(temp.path(), "/a/b/c") == 450);
    write("a/b/c/memory.limit_in_bytes", "100\n");
    write("a/b/c/memory.usage_in_bytes", "80\n");
    write("a/b/c/memory.stat", "cache 1\ntotal_cache 30\n");
    CHECK(room_in_group(temp.path(), "/a/b/c") == 50);
    write("a/b/c/memory.usage_in_bytes", "200\n");
    CHECK(room_in_group(temp.path(), "/a/b/c") == 0);
}

}  // namespace
}  // namespace stasis::proc
