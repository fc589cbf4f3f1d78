#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/inspect/expectations.h"
#include "lib/ops/fit_network.h"
#include "lib/ops/misfit.h"
#include "lib/proc/cpu.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::ops {
namespace {

using test::contains;
using test::TempDir;

/// Exactly one misfit, which says all of `parts`.
void require_misfit(const Fit& fit, MisfitKind kind, const std::vector<std::string>& parts) {
    REQUIRE(fit.misfits.size() == 1);
    REQUIRE(fit.misfits[0].kind == kind);
    for (const std::string& part : parts) {
        INFO(fit.misfits[0].what + " / " + fit.misfits[0].remedy + " / " + part);
        REQUIRE(contains(fit.misfits[0].what + "\n" + fit.misfits[0].remedy, part));
    }
}

bool is_well(const Fit& fit) { return fit.misfits.empty() && fit.warnings.empty(); }

store::Manifest some_manifest() {
    store::Manifest manifest;
    manifest.architecture = "x86_64";
    manifest.criu_version = "4.1.1";
    manifest.kernel = "6.1.0-18-amd64";
    manifest.cpu_features = {"avx", "avx512f", "sse2"};
    return manifest;
}

Host some_host() { return {"host", "6.1.0-18-amd64", "x86_64", "boot", {"avx", "avx512f", "sse2"}}; }

Fit hosts(const store::Manifest& manifest, const Host& host, const std::string& criu = "4.1.1") {
    Fit fit;
    compare_hosts(manifest, host, criu::Version::parse(criu), fit);
    return fit;
}

Fit file(const ExpectedFile& was, const std::optional<ExpectedFile>& now) {
    Fit fit;
    compare_file(was, now, fit);
    return fit;
}

proc::Stat process(pid_t pid, pid_t group, pid_t session, const std::string& command) {
    proc::Stat stat;
    stat.id.pid = pid;
    stat.command = command;
    stat.state = 'S';
    stat.process_group = group;
    stat.session = session;
    return stat;
}

TEST_CASE("a host that is the same, or newer, fits") {
    REQUIRE(is_well(hosts(some_manifest(), some_host())));
    Host newer = some_host();
    newer.kernel = "6.18.2";
    newer.boot_id = "another";
    newer.cpu_features = {"amx_tile", "avx", "avx512f", "sse2"};
    REQUIRE(is_well(hosts(some_manifest(), newer, "4.2")));
}

TEST_CASE("an older kernel is a warning, an older CRIU and a smaller processor do not fit") {
    Host host = some_host();
    host.kernel = "5.10.0-33-amd64";
    REQUIRE(hosts(some_manifest(), host).misfits.empty());
    REQUIRE(hosts(some_manifest(), host).warnings.size() == 1);
    REQUIRE(contains(hosts(some_manifest(), host).warnings[0], "5.10.0-33-amd64"));

    require_misfit(hosts(some_manifest(), some_host(), "3.17.1"), MisfitKind::criu, {"4.1.1", "3.17.1"});
    host = some_host();
    host.cpu_features = {"sse2"};
    require_misfit(hosts(some_manifest(), host), MisfitKind::cpu, {"lacks avx, avx512f"});
}

TEST_CASE("of another architecture nothing else is said") {
    Host host = some_host();
    host.architecture = "aarch64";
    host.cpu_features = {"fp"};
    require_misfit(hosts(some_manifest(), host, "3.17"), MisfitKind::architecture, {"x86_64", "aarch64"});
}

TEST_CASE("another major version of the runtime is a warning") {
    Fit fit;
    compare_runtimes("runc version 1.1.5+ds1", "runc version 1.3.0", fit);
    REQUIRE(is_well(fit));
    compare_runtimes("runc version 1.1.5+ds1", "runc version 2.0.0", fit);
    REQUIRE(fit.misfits.empty());
    REQUIRE(fit.warnings.size() == 1);
}

TEST_CASE("of x86's flags those count that programs use") {
    using Names = std::vector<std::string>;
    REQUIRE(proc::cpu_features("processor\t: 0\nflags\t\t: sse2 erms avx512f retbleed rep_good xsavec\n"
                               "bugs\t\t: none\n\nflags\t\t: avx\n") == Names{"avx512f", "sse2", "xsavec"});
    REQUIRE(proc::cpu_features("Features\t: fp asimd\n") == Names{"asimd", "fp"});
    REQUIRE(proc::cpu_features("flags") == Names{});
    REQUIRE(proc::cpu_features("") == Names{});
}

TEST_CASE("control groups of another mode, and a hierarchy that is missing") {
    const ExpectedCgroups here{"hybrid", {"freezer", "memory", "name=systemd"}};
    Fit fit;
    compare_cgroups({"hybrid", {"memory"}}, here, fit);
    compare_cgroups({}, here, fit);
    REQUIRE(is_well(fit));
    compare_cgroups({"hybrid", {"memory", "pids"}}, here, fit);
    require_misfit(fit, MisfitKind::cgroups, {"'pids'"});
    fit = {};
    compare_cgroups({"v2", {"memory", "pids"}}, here, fit);
    require_misfit(fit, MisfitKind::cgroups, {"v2", "hybrid"});
}

TEST_CASE("an AppArmor profile that is not loaded") {
    Fit fit;
    compare_profiles({"docker-default"}, {"docker-default", "man_filter"}, fit);
    REQUIRE(is_well(fit));
    compare_profiles({"docker-default", "mine//child"}, {"docker-default"}, fit);
    require_misfit(fit, MisfitKind::lsm, {"'mine//child'", "apparmor_parser"});
}

TEST_CASE("mounts whose source is gone, or is something else") {
    const TempDir temp;
    test::write(temp / "file", "x");
    std::filesystem::create_directory(temp / "folder");
    Fit fit;
    compare_mounts({{temp / "file", "/a", false}, {temp / "folder", "/b", true}}, fit);
    REQUIRE(is_well(fit));
    compare_mounts({{temp / "gone", "/a", true}}, fit);
    require_misfit(fit, MisfitKind::mounts, {(temp / "gone").string(), "'/a'", "is not there"});
    fit = {};
    compare_mounts({{temp / "file", "/a", true}, {temp / "folder", "/b", false}}, fit);
    REQUIRE(fit.misfits.size() == 2);
    REQUIRE(contains(fit.misfits[0].what, "no folder any more"));
    REQUIRE(contains(fit.misfits[1].what, "is a folder now"));
}

TEST_CASE("a disk that is not mounted") {
    proc::Mount root;
    root.mount_point = "/";
    proc::Mount disk;
    disk.mount_point = "/srv";
    Fit fit;
    compare_mount_points({"/srv"}, {root, disk}, fit);
    REQUIRE(is_well(fit));
    compare_mount_points({"/srv"}, {root}, fit);
    require_misfit(fit, MisfitKind::mounts, {"nothing is mounted at '/srv'"});
}

TEST_CASE("a clock that is before the checkpoint") {
    Fit fit;
    compare_clocks("2026-11-27T17:00:00.500Z", "2026-11-27T17:00:00.500Z", fit);
    REQUIRE(is_well(fit));
    compare_clocks("2026-11-27T17:00:00.500Z", "1970-01-01T00:02:00.000Z", fit);
    REQUIRE(fit.misfits.empty());
    REQUIRE(contains(fit.warnings.at(0), "says 1970-01-01T00:02:00.000Z"));
}

TEST_CASE("files are compared as CRIU compares them") {
    const ExpectedFile was{"/f", S_IFREG | 0755, 10, 1000, "abcd"};
    REQUIRE(is_well(file(was, was)));
    require_misfit(file(was, std::nullopt), MisfitKind::files, {"'/f' is not there"});

    ExpectedFile now = was;
    now.mtime_ns = 2000;  // installed again: the same build
    REQUIRE(is_well(file(was, now)));
    now.build_id = "ef01";
    require_misfit(file(was, now), MisfitKind::files, {"ef01", "abcd"});
    now.build_id = "";
    require_misfit(file(was, now), MisfitKind::files, {"none", "abcd"});
    now = was;
    now.mode = S_IFREG | 0700;
    require_misfit(file(was, now), MisfitKind::files, {"0700", "chmod 0755 '/f'"});
    now.mode = S_IFDIR | 0755;
    require_misfit(file(was, now), MisfitKind::files, {"a folder", "a file"});
    now = was;
    now.size = 11;  // a longer library is no log
    require_misfit(file(was, now), MisfitKind::files, {"11 bytes", "it had 10"});
    REQUIRE_FALSE(contains(file(was, now).misfits[0].remedy, "truncate"));
}

TEST_CASE("data that was written since is a warning, a log that grew is nothing") {
    ExpectedFile was{"/data", S_IFREG | 0644, 10, 1000, ""};
    ExpectedFile now = was;
    now.mtime_ns = 2000;
    REQUIRE(file(was, now).misfits.empty());
    REQUIRE(file(was, now).warnings.size() == 1);
    now.size = 20;
    require_misfit(file(was, now), MisfitKind::files, {"20 bytes", "truncate -s 10 '/data'"});
    now.size = 5;
    REQUIRE_FALSE(contains(file(was, now).misfits[0].remedy, "truncate"));
    was.size.reset();
    REQUIRE(is_well(file(was, now)));
}

TEST_CASE("pids that are taken, by whatever has their number") {
    const std::vector<proc::Stat> all{process(100, 100, 100, "leader"), process(101, 99, 98, "child"),
                                      process(200, 200, 200, "tree")};
    Fit fit;
    compare_pids({97, 300}, all, {}, fit);
    compare_pids({200}, all, {all[2]}, fit);
    REQUIRE(is_well(fit));
    compare_pids({98, 99, 100, 200}, all, {}, fit);
    REQUIRE(fit.misfits.size() == 4);
    std::string said;
    for (const Misfit& misfit : fit.misfits) said += misfit.what + "\n";
    REQUIRE(contains(said, "pid 98 is taken as a session by 'child' (pid 101)"));
    REQUIRE(contains(said, "pid 99 is taken as a process group by 'child' (pid 101)"));
    REQUIRE(contains(said, "pid 100 is taken by 'leader' (pid 100)"));
    REQUIRE(contains(said, "pid 200 is taken by 'tree' (pid 200)"));

    std::vector<proc::Stat> dead{process(100, 100, 100, "leader")};
    dead[0].state = 'Z';  // a restore waits for its parent to reap it
    fit = {};
    compare_pids({100}, dead, {}, fit);
    REQUIRE(is_well(fit));
}

TEST_CASE("addresses and ports of this network") {
    const sys::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    const std::uint16_t port = ntohs(address.sin_port);
    const sys::Path own = "/proc/self/ns/net";

    Expectations expected;
    expected.addresses = {"127.0.0.1", "127.1.2.3", "0.0.0.0"};
    Fit fit;
    compare_network(expected, own, {}, fit);
    REQUIRE(is_well(fit));
    expected.addresses = {"203.0.113.7"};  // RFC 5737: nobody's
    compare_network(expected, own, {}, fit);
    require_misfit(fit, MisfitKind::addresses, {"203.0.113.7"});

    fit = {};
    expected.addresses = {"127.0.0.1"};  // a connection may share its port with a listener
    expected.listeners = {{"127.0.0.1", port}};
    compare_network(expected, own, {}, fit);
    require_misfit(fit, MisfitKind::addresses,
                   {"127.0.0.1:" + std::to_string(port), "(pid " + std::to_string(::getpid()) + ")"});
    fit = {};
    compare_network(expected, own, {*proc::read_stat(::getpid())}, fit);
    REQUIRE(is_well(fit));
    compare_network(expected, "/nowhere", {}, fit);
    REQUIRE(is_well(fit));
}

TEST_CASE("what can't be ignored has no name for it") {
    const std::vector<std::string> names = ignorable_misfits();
    for (const MisfitKind kind : {MisfitKind::target, MisfitKind::architecture, MisfitKind::runtime})
        REQUIRE(std::find(names.begin(), names.end(), to_string(kind)) == names.end());
    REQUIRE(std::find(names.begin(), names.end(), "files") != names.end());
}

}  // namespace
}  // namespace stasis::ops
