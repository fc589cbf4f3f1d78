#include "lib/fs/tree_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <thread>

#include "lib/fs/changes.h"
#include "lib/fs/copy_entries.h"
#include "lib/fs/rootfs.h"
#include "lib/sys/checksum.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::fs {
namespace {

using test::describe_tree;
using test::nothing_interrupts;
using test::TempDir;

/// Names that a shell, rsync or its list of files could take for something else.
const std::vector<std::string> kOddNames{"with space",  " leading",
                                         "trailing ",   "new\nline",
                                         "tab\t",       "-dash",
                                         "--delete",    "#hash",
                                         ";semicolon",  "*",
                                         "?",           "[a]",
                                         "{a,b}",       "\xff\xfe\x80",
                                         "\xc3\xa4",    "%41",
                                         "back\\slash", "\\#012",
                                         "..two",       ".hidden",
                                         "...",         "~",
                                         "!",           "$HOME",
                                         "`id`",        "'\"",
                                         "host:path",   "::module",
                                         "rsync:",      "+ x",
                                         "- x",         "\r",
                                         "\x01\x7f",    std::string(255, 'l')};

void set_mtime(const Path& path, time_t seconds, long nanoseconds) {
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{seconds, nanoseconds}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) == 0);
}

/// The same size and time stamp as before, other bytes.
void change_secretly(const Path& path) {
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    test::flip(path, 0);
    set_mtime(path, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

/// False where the file system of the tests has none.
bool set_attribute(const Path& path, const std::string& name, const std::string& value) {
    return ::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0;
}

/// Read access for one more user, as setfacl writes it.
bool set_acl(const Path& path) {
    constexpr unsigned char kAcl[] = {2,    0, 0, 0,                           //
                                      0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,   // owner
                                      0x02, 0, 4, 0, 0x39, 0x30, 0,    0,      // user 12345
                                      0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,   // group
                                      0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,   // mask
                                      0x20, 0, 4, 0, 0xff, 0xff, 0xff, 0xff};  // others
    return ::setxattr(path.c_str(), "system.posix_acl_access", kAcl, sizeof kAcl, 0) == 0;
}

void make_socket(const Path& path) {
    const sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sys::UniqueFd folder = sys::open_path(path.parent_path(), O_RDONLY | O_DIRECTORY);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "/proc/self/fd/" + std::to_string(folder.get()) + "/" + path.filename().string();
    std::strncpy(address.sun_path, name.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

void make_sparse(const Path& path, const std::string& end) {
    test::write(path, "begin");
    std::filesystem::resize_file(path, 1 << 20);
    const sys::UniqueFd fd = sys::open_path(path, O_WRONLY | O_APPEND);
    sys::write_all(fd.get(), end, "sparse");
}

/// A root file system with something of everything.
void make_tree(const Path& root) {
    test::write(root / "plain", "plain text");
    test::write(root / "empty", "");
    test::write(root / "dir/inner", "inner");
    test::write(root / "dir/deep/deeper/file", "deep");
    std::filesystem::create_directories(root / "empty dir");
    for (const std::string& name : kOddNames) test::write(root / "odd" / name, "odd " + name);
    for (const char* name : {"a", "b", "other/c"}) {
        test::write(root / "links/first", "linked");
        std::filesystem::create_directories((root / "links" / name).parent_path());
        std::filesystem::create_hard_link(root / "links/first", root / "links" / name);
    }
    test::write(root / "links/twin", "linked");  // alike, but a file of its own
    std::filesystem::create_symlink("plain", root / "soft");
    std::filesystem::create_symlink("/no where/\n\xff", root / "dangling");
    std::filesystem::create_directory_symlink("dir", root / "soft dir");
    std::filesystem::create_hard_link(root / "soft", root / "soft twin");
    make_sparse(root / "sparse", "end");
    make_sparse(root / "ends in a hole", "");
    test::write(root / "hole", "");
    std::filesystem::resize_file(root / "hole", 1 << 20);
    REQUIRE(::mkfifo((root / "fifo").c_str(), 0640) == 0);
    make_socket(root / "socket");
    for (const mode_t mode : {04755u, 02755u, 0444u, 0400u}) {
        const Path path = root / ("mode " + std::to_string(mode));
        test::write(path, "mode");
        REQUIRE(::chmod(path.c_str(), mode) == 0);
    }
    for (const mode_t mode : {01777u, 02755u, 0555u}) {
        const Path path = root / ("dir mode " + std::to_string(mode));
        test::write(path / "file", "in it");
        REQUIRE(::chmod(path.c_str(), mode) == 0);
    }
    test::write(root / "attributes", "with attributes");
    (void)set_attribute(root / "attributes", "user.test", std::string("a\0\xff", 3));
    (void)set_attribute(root / "dir", "user.dir", "of a folder");
    test::write(root / "acl", "with an ACL");
    (void)set_acl(root / "acl");
    if (test::is_root()) {
        REQUIRE(::chown((root / "plain").c_str(), 12345, 54321) == 0);
        REQUIRE(::lchown((root / "dangling").c_str(), 777, 777) == 0);
        test::write(root / "unreadable", "for root alone");
        REQUIRE(::chmod((root / "unreadable").c_str(), 0) == 0);
        test::write(root / "capable", "with capabilities");
        (void)set_attribute(root / "capable", "security.capability",
                            std::string("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
        (void)set_attribute(root / "empty dir", "trusted.overlay.opaque", "y");
        (void)::mknod((root / "device").c_str(), S_IFCHR | 0600, makedev(1, 3));
    }
    set_mtime(root / "plain", 1234567890, 123456789);
    set_mtime(root / "dir/inner", 4102444800, 1);
    set_mtime(root / "dangling", 7, 7);
    set_mtime(root / "dir", 86400, 999999999);
}

/// A copy in two passes, with `between` between them.
struct Copied {
    TreeCopy copy;
    Copied(const Path& from, const Path& to, const std::function<void()>& between,
           const std::set<std::string>& written = {}, std::optional<Parent> parent = std::nullopt,
           const std::set<std::string>& written_before = {})
        : copy(from, to, std::move(parent), -1) {
        copy.start_first_pass(written_before);
        copy.finish_first_pass(nothing_interrupts());
        between();
        copy.second_pass(written, nothing_interrupts());
    }
};

/// Each entry in which the trees differ, as "name: one / other".
std::vector<std::string> differences(const Path& original, const Path& copy) {
    const std::map<std::string, std::string> left = describe_tree(original);
    const std::map<std::string, std::string> right = describe_tree(copy);
    std::vector<std::string> result;
    for (const auto& [name, text] : left)
        if (!right.contains(name))
            result.push_back(name + ": missing");
        else if (right.at(name) != text)
            result.push_back(name + ": " + text + " / " + right.at(name));
    for (const auto& [name, text] : right)
        if (!left.contains(name)) result.push_back(name + ": too many");
    return result;
}

void require_equal(const Path& original, const Path& copy) {
    REQUIRE(differences(original, copy) == std::vector<std::string>{});
    REQUIRE(test::rsync_would_do(original, copy) == "");
}

TEST_CASE("a tree that stands still is copied whole") {
    const TempDir temp;
    make_tree(temp / "from");
    const Copied copied(temp / "from", temp / "to", [] {});
    require_equal(temp / "from", temp / "to");
    REQUIRE(copied.copy.records() == sys::record_tree(temp / "to", nothing_interrupts()));
    REQUIRE(copied.copy.shared_bytes() == 0);
    struct stat info {};
    REQUIRE(::stat((temp / "to/sparse").c_str(), &info) == 0);
    REQUIRE(info.st_blocks * 512 < info.st_size / 2);  // its hole is still one
}

TEST_CASE("rsync alone copies whole") {
    const TempDir temp;
    make_tree(temp / "from");
    rsync({temp / "from", temp / "to"}, nothing_interrupts());
    require_equal(temp / "from", temp / "to");
}

TEST_CASE("whatever happened during the first pass is made up for") {
    const TempDir temp;
    const Path from = temp / "from";
    make_tree(from);
    using std::filesystem::rename;
    const Copied copied(from, temp / "to", [&] {
        change_secretly(from / "dir/deep/deeper/file");
        test::write(from / "empty", "no longer");
        for (const std::string& name : kOddNames) change_secretly(from / "odd" / name);
        for (const std::string& name : kOddNames) test::write(from / "new odd" / name, "new");
        // Attributes alone.
        REQUIRE(::chmod((from / "dir/inner").c_str(), 0600) == 0);
        REQUIRE(::chmod((from / "empty dir").c_str(), 0711) == 0);
        REQUIRE(::chmod(from.c_str(), 0750) == 0);
        set_mtime(from / "plain", 1234567890, 123456788);
        (void)set_attribute(from / "attributes", "user.test", "other");
        (void)set_attribute(from / "odd/with space", "user.new", "new");
        (void)::lremovexattr((from / "dir").c_str(), "user.dir");
        (void)::lremovexattr((from / "acl").c_str(), "system.posix_acl_access");
        (void)::lremovexattr((from / "empty dir").c_str(), "trusted.overlay.opaque");
        if (test::is_root()) REQUIRE(::lchown((from / "soft dir").c_str(), 4711, 4711) == 0);
        // New, gone, moved.
        test::write(from / "new/er/est/file", "new");
        std::filesystem::create_directories(from / "new/empty");
        std::filesystem::remove_all(from / "dir mode 1023");
        rename(from / "mode 292", from / "renamed");
        rename(from / "dir/deep", from / "moved");
        // Links.
        std::filesystem::create_hard_link(from / "links/first", from / "links/later");
        std::filesystem::remove(from / "links/a");
        std::filesystem::remove(from / "links/b");
        test::write(from / "links/b", "linked");  // split off
        change_secretly(from / "links/other/c");
        std::filesystem::remove(from / "soft");
        std::filesystem::create_symlink("empty", from / "soft");
        make_sparse(from / "sparse", "other end");
    });
    require_equal(from, temp / "to");
    REQUIRE(copied.copy.records() == sys::record_tree(temp / "to", nothing_interrupts()));
}

TEST_CASE("anything may become anything else") {
    const std::vector<std::function<void(const Path&)>> kinds{
        [](const Path& path) { test::write(path, "file"); },
        [](const Path& path) { test::write(path / "in/side", "folder"); },
        [](const Path& path) { std::filesystem::create_symlink("somewhere", path); },
        [](const Path& path) { std::filesystem::create_directory_symlink("0 to 1", path); },
        [](const Path& path) { REQUIRE(::mkfifo(path.c_str(), 0600) == 0); },
        [](const Path&) {}};
    const TempDir temp;
    std::filesystem::create_directories(temp / "from");
    const auto each = [&](const std::function<void(std::size_t, std::size_t, const Path&)>& act) {
        for (std::size_t before = 0; before < kinds.size(); ++before)
            for (std::size_t after = 0; after < kinds.size(); ++after)
                act(before, after, temp / ("from/" + std::to_string(before) + " to " + std::to_string(after)));
    };
    each([&](std::size_t before, std::size_t, const Path& path) { kinds[before](path); });
    const Copied copied(temp / "from", temp / "to", [&] {
        each([&](std::size_t before, std::size_t after, const Path& path) {
            if (before == after) return;
            std::filesystem::remove_all(path);
            kinds[after](path);
        });
    });
    require_equal(temp / "from", temp / "to");
    REQUIRE(copied.copy.records() == sys::record_tree(temp / "to", nothing_interrupts()));
}

TEST_CASE("nothing changes in what an earlier checkpoint shares") {
    const TempDir temp;
    const Path from = temp / "from";
    make_tree(from);
    const Copied first(from, temp / "first", [] {});
    const std::map<std::string, std::string> before = describe_tree(temp / "first");
    const FileRecords records = first.copy.records();

    test::write(from / "empty", "changed between the two");
    REQUIRE(::chmod((from / "odd/-dash").c_str(), 0600) == 0);
    (void)set_attribute(from / "odd/*", "user.new", "between");
    const Copied second(
        from, temp / "second",
        [&] {
            REQUIRE(::chmod((from / "odd/with space").c_str(), 0600) == 0);
            REQUIRE(::chmod((from / "links/first").c_str(), 0600) == 0);
            set_mtime(from / "odd/#hash", 1, 1);
            (void)set_attribute(from / "odd/?", "user.new", "new");
            if (test::is_root()) REQUIRE(::chown((from / "odd/[a]").c_str(), 1, 1) == 0);
            change_secretly(from / "odd/~");
            change_secretly(from / "sparse");
            std::filesystem::remove_all(from / "dir");
        },
        {}, Parent{temp / "first", records});

    REQUIRE(describe_tree(temp / "first") == before);
    REQUIRE(sys::record_tree(temp / "first", nothing_interrupts()) == records);
    require_equal(from, temp / "second");
    REQUIRE(second.copy.records() == sys::record_tree(temp / "second", nothing_interrupts()));
}

TEST_CASE("a parent that is damaged or gone does no harm") {
    const TempDir temp;
    test::write(temp / "from/file", "right");
    const Copied first(temp / "from", temp / "first", [] {});
    change_secretly(temp / "first/file");
    std::filesystem::remove_all(temp / "gone");
    const Copied second(
        temp / "from", temp / "second", [] {}, {}, Parent{temp / "gone", first.copy.records()});
    require_equal(temp / "from", temp / "second");
}

/// A file mapped shared and writable, as a program at work has it.
class Mapping {
  public:
    explicit Mapping(const Path& path) : fd_(sys::open_path(path, O_RDWR)) {
        bytes_ = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
        REQUIRE(bytes_ != MAP_FAILED);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { (void)::munmap(bytes_, 4096); }
    void put(char byte) { *static_cast<volatile char*>(bytes_) = byte; }

  private:
    sys::UniqueFd fd_;
    char* bytes_;
};

constexpr timespec kFarFuture{1LL << 33, 0};  // no ctime is younger

TEST_CASE("a page that was dirty already is found by its content") {
    const TempDir temp;
    const Path from = temp / "from";
    test::write(from / "mapped", std::string(8192, 'a'));
    test::write(from / "quiet", "quiet");
    std::filesystem::create_hard_link(from / "mapped", from / "second name");
    Mapping mapping(from / "mapped");
    mapping.put('b');  // from here on the page is dirty
    rsync({from, temp / "to"}, nothing_interrupts());
    const FileRecords records = sys::record_tree(temp / "to", nothing_interrupts());
    const auto changes = [&](const std::set<std::string>& written) {
        return compare(from, look_at_copy(temp / "to"), {kFarFuture, {}}, written, records, nothing_interrupts()).copy;
    };
    REQUIRE(changes({"mapped", "quiet", "not there"}).empty());
    struct stat before {};
    struct stat after {};
    REQUIRE(::stat((from / "mapped").c_str(), &before) == 0);
    mapping.put('c');
    REQUIRE(::stat((from / "mapped").c_str(), &after) == 0);
    REQUIRE(changes({"mapped", "quiet"}) == std::vector<std::string>{"mapped", "second name"});
    REQUIRE(changes({"second name"}) == std::vector<std::string>{"mapped", "second name"});
    // The time stamps alone would have missed it, or this test is worth nothing.
    if (before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec)
        REQUIRE(changes({}).empty());
    else
        WARN("the kernel stamped the second write to the page as well");
}

TEST_CASE("a mapped file that changes after the first pass is copied again, nothing else is") {
    const TempDir temp;
    const Path from = temp / "from";
    test::write(from / "mapped", std::string(4096, 'a'));
    test::write(from / "still", "still");
    Mapping mapping(from / "mapped");
    mapping.put('b');
    // Past the margin in which a first pass takes everything for changed.
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    const Copied first(from, temp / "first", [] {}, {"mapped"});
    const Copied second(
        from, temp / "second", [&] { mapping.put('c'); }, {"mapped"}, Parent{temp / "first", first.copy.records()});
    require_equal(from, temp / "second");
    REQUIRE(second.copy.records() == sys::record_tree(temp / "second", nothing_interrupts()));
    REQUIRE(test::read(temp / "first/mapped").starts_with("ba"));
    const auto is_shared = [&](const std::string& name) {
        struct stat one {};
        struct stat other {};
        REQUIRE(::lstat((temp / "first" / name).c_str(), &one) == 0);
        REQUIRE(::lstat((temp / "second" / name).c_str(), &other) == 0);
        return one.st_ino == other.st_ino;
    };
    REQUIRE(is_shared("still"));
    REQUIRE_FALSE(is_shared("mapped"));
    REQUIRE(second.copy.shared_bytes() == std::string("still").size());
}

TEST_CASE("a mapping that was closed before the second pass has left its changes") {
    const TempDir temp;
    const Path from = temp / "from";
    test::write(from / "mapped", std::string(4096, 'a'));
    std::optional<Mapping> mapping(from / "mapped");
    mapping->put('b');
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // as above
    const auto close_with = [&](char byte) {
        mapping->put(byte);
        mapping.reset();
    };

    SECTION("it was there when the copy began") {
        const Copied copied(from, temp / "to", [&] { close_with('c'); }, {}, {}, {"mapped"});
        require_equal(from, temp / "to");
        REQUIRE(copied.copy.written().empty());
    }
    SECTION("it was there when the parent was made") {
        const Copied first(from, temp / "first", [] {}, {"mapped", "elsewhere"});
        REQUIRE(first.copy.written() == std::set<std::string>{"mapped"});
        close_with('c');
        const Copied second(
            from, temp / "second", [] {}, {}, Parent{temp / "first", first.copy.records(), first.copy.written()});
        require_equal(from, temp / "second");
        REQUIRE(test::read(temp / "first/mapped").starts_with("ba"));
    }
}

TEST_CASE("a folder that took another's name is not taken for it") {
    const TempDir temp;
    const Path from = temp / "from";
    // Two releases that differ in content only, as reproducible builds make them.
    for (const char* release : {"one", "two"}) {
        test::write(from / release / "lib/version", release);
        set_mtime(from / release / "lib/version", 1, 0);
    }
    rsync({from, temp / "to"}, nothing_interrupts());
    Before before = Before::look(from);
    before.time = kFarFuture;
    std::filesystem::rename(from / "one", from / "aside");
    std::filesystem::rename(from / "two", from / "one");
    std::filesystem::rename(from / "aside", from / "two");
    const FileRecords records = sys::record_tree(temp / "to", nothing_interrupts());
    const Changes changes = compare(from, look_at_copy(temp / "to"), before, {}, records, nothing_interrupts());
    REQUIRE(std::count(changes.copy.begin(), changes.copy.end(), "one/lib/version") == 1);
    REQUIRE(std::count(changes.copy.begin(), changes.copy.end(), "two/lib/version") == 1);
}

TEST_CASE("a copy that fails says why") {
    const TempDir temp;
    test::write(temp / "from/file", "text");
    const Error error = test::error_of([&] { rsync({temp / "none", temp / "to"}, nothing_interrupts()); });
    REQUIRE(error.kind() == Kind::failed);
    REQUIRE(test::contains(error.message(), "'" + (temp / "none").string() + "'"));
    REQUIRE(test::contains(error.message(), "rsync ended with exit code"));
    // In the second pass nothing may vanish: the target stands still.
    std::filesystem::create_directory(temp / "to");
    REQUIRE_THROWS_AS(copy_entries(temp / "from", temp / "to", {"file", "vanished"}, nothing_interrupts()), Error);
    sys::Interrupts passed{Clock::now() - std::chrono::seconds(1)};
    TreeCopy copy(temp / "from", temp / "late", std::nullopt, -1);
    copy.start_first_pass({});
    REQUIRE_THROWS_AS(copy.finish_first_pass(passed), Error);
}

TEST_CASE("a root file system is put back exactly") {
    const TempDir temp;
    const Path root = temp / "rootfs";
    make_tree(root);
    const Copied kept(root, temp / "kept", [] {});
    const std::map<std::string, std::string> as_kept = describe_tree(temp / "kept");

    change_secretly(root / "plain");
    change_secretly(root / "odd/new\nline");
    change_secretly(root / "links/first");
    test::write(root / "extra/deep/file", "came later");
    test::write(root / "odd/--extra", "came later");
    std::filesystem::remove_all(root / "dir");
    std::filesystem::remove(root / "fifo");
    test::write(root / "fifo", "a file now");
    std::filesystem::remove(root / "empty");
    std::filesystem::create_directory(root / "empty");
    REQUIRE(::chmod((root / "acl").c_str(), 0) == 0);
    REQUIRE(::chmod(root.c_str(), 0700) == 0);
    (void)set_attribute(root / "soft twin", "user.x", "x");
    (void)set_attribute(root / "attributes", "user.extra", "x");
    restore_rootfs({Backend::copy, root, root, ""}, temp / "kept", -1, nothing_interrupts());

    require_equal(temp / "kept", root);
    REQUIRE(describe_tree(temp / "kept") == as_kept);  // a checkpoint is never consumed
    // And once more, onto nothing at all.
    std::filesystem::remove_all(temp / "elsewhere");
    restore_rootfs({Backend::copy, temp / "elsewhere/root", temp / "elsewhere/root", ""}, temp / "kept", -1,
                   nothing_interrupts());
    require_equal(temp / "kept", temp / "elsewhere/root");
    restore_rootfs({Backend::none, temp / "never", temp / "never", ""}, temp / "kept", -1, nothing_interrupts());
    REQUIRE_FALSE(test::exists(temp / "never"));
}

TEST_CASE("a link that the container left leads no restore outside") {
    const TempDir temp;
    const Path root = temp / "rootfs";
    test::write(root / "etc/passwd", "inside");
    test::write(temp / "outside/passwd", "outside");
    test::write(temp / "outside/other", "outside");
    const Copied kept(root, temp / "kept", [] {});
    std::filesystem::remove_all(root / "etc");
    std::filesystem::create_directory_symlink(temp / "outside", root / "etc");
    const std::map<std::string, std::string> outside = describe_tree(temp / "outside");
    restore_rootfs({Backend::copy, root, root, ""}, temp / "kept", -1, nothing_interrupts());
    REQUIRE(describe_tree(temp / "outside") == outside);
    require_equal(temp / "kept", root);
}

TEST_CASE("files that were linked later are files of their own again") {
    const TempDir temp;
    const Path root = temp / "rootfs";
    for (const char* name : {"a", "b"}) {
        test::write(root / name, "alike");
        set_mtime(root / name, 1, 0);
    }
    const Copied kept(root, temp / "kept", [] {});
    std::filesystem::remove(root / "b");
    std::filesystem::create_hard_link(root / "a", root / "b");
    restore_rootfs({Backend::copy, root, root, ""}, temp / "kept", -1, nothing_interrupts());
    require_equal(temp / "kept", root);
}

TEST_CASE("backends are known by their names") {
    for (const Backend backend : {Backend::none, Backend::copy, Backend::overlay, Backend::upper, Backend::btrfs})
        REQUIRE(backend_from(to_string(backend)) == backend);
    REQUIRE(test::error_of([] { (void)backend_from("zfs"); }).kind() == Kind::damaged);
    const TempDir temp;
    const RootfsPlan plan = plan_rootfs(temp.path(), temp.path());
    REQUIRE((plan.backend == Backend::copy || plan.backend == Backend::btrfs));
    REQUIRE(plan.source == temp.path());
}

}  // namespace
}  // namespace stasis::fs
