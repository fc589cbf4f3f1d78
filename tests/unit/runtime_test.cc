#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "lib/inspect/look.h"
#include "lib/runtime/mounts.h"
#include "lib/runtime/pid.h"
#include "lib/runtime/podman_storage.h"
#include "lib/runtime/runc_network.h"
#include "lib/runtime/stdio.h"
#include "lib/sys/child.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::runtime {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

/// "device root mount-point type" of each mount, one a line.
std::vector<proc::Mount> mounts(const std::string& text) {
    std::vector<proc::Mount> result;
    std::istringstream lines(text);
    for (proc::Mount mount; lines >> mount.device >> mount.root >> mount.mount_point >> mount.type;)
        result.push_back(mount);
    return result;
}

std::vector<std::string> outside(const std::string& container, const std::string& host, bool own_cgroups) {
    std::vector<std::string> points;
    for (const proc::Mount& mount : mounts_from_outside(mounts(container), mounts(host), own_cgroups))
        points.push_back(mount.mount_point);
    return points;
}

const std::string kHost =
    "254:0 / / ext4\n"
    "0:5 / /dev devtmpfs\n"
    "0:20 / /proc proc\n"
    "0:21 / /sys sysfs\n"
    "0:22 / /dev/shm tmpfs\n"
    "0:25 / /sys/fs/cgroup tmpfs\n"
    "0:26 / /sys/fs/cgroup/memory cgroup\n"
    "0:27 / /sys/fs/cgroup/unified cgroup2\n"
    "254:16 / /srv xfs\n";

// As runc sets a container up whose root file system is a folder of the host's disk.
const std::string kContainer =
    "254:0 /bundles/web/rootfs / ext4\n"
    "0:60 / /proc proc\n"
    "0:61 / /dev tmpfs\n"
    "0:62 / /dev/pts devpts\n"
    "0:63 / /dev/shm tmpfs\n"
    "0:64 / /dev/mqueue mqueue\n"
    "0:65 / /sys sysfs\n"
    "0:66 / /sys/fs/cgroup tmpfs\n"
    "0:26 /web /sys/fs/cgroup/memory cgroup\n"
    "0:62 /0 /dev/console devpts\n"
    "0:60 /bus /proc/bus proc\n"
    "0:60 /sys /proc/sys proc\n"
    "0:61 /null /proc/kcore tmpfs\n"
    "0:67 / /proc/acpi tmpfs\n"
    "0:68 / /sys/firmware tmpfs\n";

TEST_CASE("a container without volumes has only its cgroups from outside") {
    REQUIRE(outside(kContainer, kHost, false) == std::vector<std::string>{"/sys/fs/cgroup/memory"});
    REQUIRE(outside(kContainer, kHost, true).empty());
}

TEST_CASE("volumes come from outside, on whichever disk they are") {
    const std::string volumes =
        "254:0 /srv/data /data ext4\n"
        "254:0 /etc/resolv.conf /etc/resolv.conf ext4\n"
        "254:16 /other /other xfs\n"
        "254:16 / /whole xfs\n"
        "0:22 / /host-shm tmpfs\n"
        "0:5 /tty1 /dev/tty1 devtmpfs\n";
    REQUIRE(outside(kContainer + volumes, kHost, true) ==
            std::vector<std::string>{"/data", "/etc/resolv.conf", "/other", "/whole", "/host-shm", "/dev/tty1"});
}

TEST_CASE("a part of the root file system mounted again is the container's own") {
    REQUIRE(outside(kContainer + "254:0 /bundles/web/rootfs/var /mnt ext4\n", kHost, true).empty());
    // The name of another folder may begin alike.
    REQUIRE(outside(kContainer + "254:0 /bundles/web/rootfs-data /mnt ext4\n", kHost, true) ==
            std::vector<std::string>{"/mnt"});
}

TEST_CASE("masks of a restored container are the host's /dev/null") {
    std::string restored = kContainer;
    const std::string own = "0:61 /null /proc/kcore tmpfs";
    restored.replace(restored.find(own), own.size(), "0:5 /null /proc/kcore devtmpfs");
    REQUIRE(outside(restored, kHost, true) == std::vector<std::string>{"/proc/kcore"});
}

TEST_CASE("the host's own /proc and /sys handed in are mounted anew only as a whole") {
    const std::string views =
        "0:20 / /host/proc proc\n"
        "0:20 /sys /host/proc/sys proc\n"
        "0:21 /kernel /host/sys/kernel sysfs\n";
    // Of the host's /sys only a part is there, so nothing says what to mount.
    REQUIRE(outside(kContainer + views, kHost, true) == std::vector<std::string>{"/host/sys/kernel"});
}

TEST_CASE("cgroup v2 of a container") {
    const std::string unified = "254:0 /b / ext4\n0:27 /web /sys/fs/cgroup cgroup2\n";
    REQUIRE(outside(unified, kHost, false) == std::vector<std::string>{"/sys/fs/cgroup"});
    REQUIRE(outside(unified, kHost, true).empty());
    // Where the host has nothing but v2, no part of the host's is handed in.
    REQUIRE(outside(unified, "254:0 / / ext4\n0:27 / /sys/fs/cgroup cgroup2\n", false).empty());
}

TEST_CASE("files of the host are opened again as they were") {
    const TempDir temp;
    test::write(temp / "in", "0123456789");
    test::write(temp / "out", "before\n");
    const Json details = {
        {{"fd", 0}, {"path", (temp / "in").string()}, {"key", "file[1:2]"}, {"flags", O_RDONLY}, {"offset", 4}},
        {{"fd", 1}, {"path", (temp / "out").string()}, {"key", "file[1:3]"}, {"flags", O_WRONLY}, {"offset", 2}},
        {{"fd", 2},
         {"path", (temp / "out").string()},
         {"key", "file[1:3]"},
         {"flags", O_WRONLY | O_APPEND},
         {"offset", 2}}};
    const std::array<sys::UniqueFd, 3> opened = open_again(details);
    std::array<char, 3> text{};
    REQUIRE(::read(opened[0].get(), text.data(), 2) == 2);
    REQUIRE(std::string(text.data()) == "45");
    sys::write_all(opened[1].get(), "after\n", "out");  // nothing written meanwhile is lost
    REQUIRE(test::read(temp / "out") == "before\nafter\n");
    REQUIRE((::fcntl(opened[2].get(), F_GETFL) & O_APPEND) != 0);
    REQUIRE(inherit_configuration(details) == "inherit-fd fd[0]:file[1:2]\ninherit-fd fd[1]:file[1:3]\n");

    std::filesystem::remove(temp / "in");
    std::filesystem::remove(temp / "out");
    const Error error = error_of([&] { (void)open_again(details); });
    REQUIRE(error.kind() == Kind::damaged);
    REQUIRE(contains(error.message(), (temp / "in").string()));
    const Json log_only = {details[1]};
    REQUIRE(open_again(log_only)[1]);
    REQUIRE_FALSE(open_again(Json::array())[0]);
}

TEST_CASE("a process is named by its pid alone") {
    const PidAdapter adapter;
    sys::Command command;
    command.args = {"sleep", "60"};
    const sys::Child child = sys::Child::start(command);
    const std::string pid = std::to_string(child.pid());
    REQUIRE(adapter.status(pid) == Status::running);
    for (const std::string& name : {"0" + std::string(1, 'x'), std::string("-1"), std::string("0"), pid + "x",
                                    std::string("2147483646"), std::string("99999999999999999999"), std::string("")}) {
        INFO(name);
        REQUIRE(adapter.status(name) == Status::absent);
        REQUIRE_FALSE(adapter.knows(name));
        REQUIRE(error_of([&] { (void)adapter.describe(name); }).kind() == Kind::not_found);
    }
    const Description description = adapter.describe(pid);
    REQUIRE(description.init.pid == child.pid());
    REQUIRE(description.rootfs.empty());
    REQUIRE(description.details.at("command") == "sleep");
    // Its session is ours.
    const auto has = [&](const char* key) {
        return std::any_of(description.options.begin(), description.options.end(),
                           [&](const Option& option) { return option.key == key; });
    };
    REQUIRE(has("shell-job"));
    REQUIRE(has("cgroup-mode"));
    REQUIRE(adapter.restores_to_same_pids(description.details));
}

/// Has podman look for its containers as `configuration` says.
class StorageConf {
  public:
    StorageConf(const TempDir& temp, const std::string& configuration) {
        test::write(temp / "storage.conf", configuration);
        (void)::setenv("CONTAINERS_STORAGE_CONF", (temp / "storage.conf").c_str(), 1);
    }
    StorageConf(const StorageConf&) = delete;
    StorageConf& operator=(const StorageConf&) = delete;
    ~StorageConf() { (void)::unsetenv("CONTAINERS_STORAGE_CONF"); }
};

TEST_CASE("the hook that prepares a network is one restore's alone, beside the container's own hooks") {
    const Json plain = Json::parse(R"({"hooks": {"createRuntime": [{"path": "/bin/own", "args": ["own"]}]}})");
    RestorePlan first;
    first.images = "/first";
    RestorePlan second;
    second.images = "/second";
    const Json hooks = with_network_hook(with_network_hook(plain, first), second).at("hooks").at("createRuntime");
    REQUIRE(hooks.size() == 2);
    REQUIRE(hooks[0] == plain.at("hooks").at("createRuntime")[0]);
    REQUIRE(hooks[1].at("args")[2] == "/second");
    REQUIRE(without_network_hook(with_network_hook(plain, first)) == plain);
    REQUIRE(without_network_hook(Json::object()) == Json::object());
}

TEST_CASE("podman is asked for what its storage may list") {
    const TempDir temp;
    const StorageConf configuration(temp, "# graphroot = \"/nowhere\"\n[storage]\ngraphroot = '" +
                                              (temp / "root").string() + "'\n  runroot = \"" + (temp / "run").string() +
                                              "\"\n");
    CHECK_FALSE(podman_may_know("web1"));
    test::write(temp / "root/overlay-containers/containers.json", R"([{"id":"abc123","names":["web1"]}])");
    test::write(temp / "run/vfs-containers/volatile-containers.json", R"([{"id":"ffee","names":["web2"]}])");
    for (const char* known : {"web1", "web2", "abc123", "abc", "ffee"}) CHECK(podman_may_know(known));
    for (const char* unknown : {"web3", "eb1", "bc123"}) CHECK_FALSE(podman_may_know(unknown));
}

TEST_CASE("podman is asked where its storage can't be found") {
    const TempDir temp;
    const std::string runroot = "runroot = \"" + (temp / "run").string() + "\"\n";
    for (const char* odd : {"graphroot = \"$HOME/root\"\n", "graphroot=\"/root\"\n", "graphroot = \"relative\"\n"}) {
        const StorageConf configuration(temp, odd + runroot);
        INFO(odd);
        CHECK(podman_may_know("web1"));
    }
    const StorageConf missing(temp, runroot);
    std::filesystem::remove(temp / "storage.conf");
    CHECK(podman_may_know("web1"));
}

}  // namespace
}  // namespace stasis::runtime
