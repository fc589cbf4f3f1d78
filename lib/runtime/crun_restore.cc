#include "lib/runtime/crun_restore.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lib/base/error.h"
#include "lib/proc/network.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

/// Where the host has what is mounted there, for what we hand back in crun's place: device nodes, of which it hands
/// back only those that mask files, and control groups, for which it takes those that it runs in itself, the host's
/// root more often than not (1.21, restore_cgroup_v1_mount()). Empty for all else.
std::string on_host(const proc::Mount& mount, const std::vector<proc::Mount>& host) {
    if (mount.type != "cgroup" && mount.type != "devtmpfs") return "";
    const auto whole = std::find_if(host.begin(), host.end(), [&](const proc::Mount& other) {
        return other.device == mount.device && other.root == "/";
    });
    if (whole == host.end()) return "";
    return whole->mount_point + (mount.root == "/" ? "" : mount.root);
}

/// A key that is none of crun's.
std::string own_key(const proc::Mount& mount) { return "host" + mount.mount_point; }

}  // namespace

std::string crun_obstacle(const std::string& program) {
    // Without it crun has no `restore` (Debian 12's crun 1.8.1).
    const bool has_criu =
        sys::find_program(program) && sys::ask({program, "--version"}).find("+CRIU") != std::string::npos;
    return has_criu ? "" : "there is no crun that is built with CRIU here";
}

std::string crun_mount_key(const proc::Mount& mount) {
    return on_host(mount, proc::mounts(::getpid())).empty() ? mount.mount_point : own_key(mount);
}

void complete_for_crun(Description& description, const Path& state_folder) {
    const Json state = Json::parse(sys::read_file(state_folder / "status"));
    if (state.value("systemd-cgroup", false))
        throw Error(Kind::failed, "the container '" + description.name +
                                      "' has its control group from systemd, where stasis can't restore crun's")
            .hint("run it without --systemd-cgroup (podman: --cgroup-manager cgroupfs)");
    // crun has CRIU restore a network namespace whole; a veth's other end on the host would be missing.
    const std::set<std::string> devices = proc::network_devices(description.init.pid);
    if (description.details.at("own_network").get<bool>() && !devices.empty())
        throw Error(Kind::failed, fmt::format("crun can't restore the network devices that were put into the container "
                                              "'{}': {}",
                                              description.name, fmt::join(devices, ", ")))
            .hint("make a network namespace for it, and name its path in config.json");
    description.details["cgroup_path"] = state.value("cgroup-path", "");
    Json handed_back = Json::object();
    const std::vector<proc::Mount> host = proc::mounts(::getpid());
    for (const proc::Mount& mount : proc::mounts(description.init.pid))
        if (const std::string path = on_host(mount, host); !path.empty()) handed_back[own_key(mount)] = path;
    description.details["host_mounts"] = handed_back;
}

std::string crun_configuration(const Json& details) {
    std::string lines;
    for (const auto& [key, path] : details.at("host_mounts").items())
        lines += fmt::format("external mnt[{}]:{}\n", key, path.get<std::string>());
    return lines;
}

void clear_crun_remains(const Json& details) {
    // Where it mounts the root file system for CRIU; the next restore does not begin while this is there.
    const Path root = Path(details.at("bundle").get<std::string>()) / "criu-root";
    (void)::umount2(root.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    (void)::rmdir(root.c_str());
    const std::string path = details.at("cgroup_path");
    if (path.empty()) return;
    // Control groups, with that of the process that made them; others than empty ones stay.
    for (const proc::Mount& mount : proc::mounts(::getpid())) {
        if (!mount.type.starts_with("cgroup") || mount.root != "/") continue;
        const std::string group = mount.mount_point + path;
        (void)::rmdir((group + "/.proxy-crun").c_str());
        (void)::rmdir(group.c_str());
    }
}

}  // namespace stasis::runtime
