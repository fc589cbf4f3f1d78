#include "lib/runtime/oci.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/proc/cgroups.h"
#include "lib/proc/orphans.h"
#include "lib/runtime/mounts.h"
#include "lib/runtime/stdio.h"

namespace stasis::runtime {
namespace {

/// The annotation, or label, with Description::order.
constexpr const char* kOrderName = "org.stasis.order";

/// runc's own names for namespaces that it did not create (libcontainer's criu code).
constexpr const char* kOutsideNetwork = "extRootNetNS";
constexpr const char* kOutsidePids = "extRootPidNS";

bool has_own_namespace(const Json& config, const std::string& type) {
    const Json list = config.value("/linux/namespaces"_json_pointer, Json::array());
    return std::any_of(list.begin(), list.end(), [&](const Json& entry) { return entry.value("type", "") == type; });
}

std::vector<BindMount> bind_mounts(const Json& config, const Path& bundle) {
    std::vector<BindMount> result;
    for (const Json& mount : config.value("mounts", Json::array())) {
        const Json options = mount.value("options", Json::array());
        const bool bind = mount.value("type", "") == "bind" ||
                          std::find(options.begin(), options.end(), "bind") != options.end() ||
                          std::find(options.begin(), options.end(), "rbind") != options.end();
        // A source that is not absolute is relative to the bundle.
        if (bind) result.push_back({bundle / mount.value("source", ""), mount.value("destination", "")});
    }
    return result;
}

OptionList mount_options(const proc::Identity& init, const Json& config, const MountKey& key) {
    OptionList options;
    for (const proc::Mount& mount :
         mounts_from_outside(proc::mounts(init.pid), proc::mounts(::getpid()), has_own_namespace(config, "cgroup")))
        options.push_back({"external", "mnt[" + mount.mount_point + "]:" + key(mount),
                           "this mount comes from outside the container"});
    return options;
}

OptionList namespace_options(const proc::Identity& init, const Json& config) {
    OptionList options;
    if (!namespace_path(config, "network").empty())
        options.push_back({"external",
                           fmt::format("net[{}]:{}", proc::namespace_inode(init.pid, "net"), kOutsideNetwork),
                           "its network namespace was made before it and outlives it"});
    if (!namespace_path(config, "pid").empty())
        options.push_back({"external", fmt::format("pid[{}]:{}", proc::namespace_inode(init.pid, "pid"), kOutsidePids),
                           "its pid namespace was made before it and outlives it"});
    return options;
}

/// In these hierarchies systemd, as a container's init, has gone to a cgroup below the container's. CRIU (4.2.1, criu/
/// cgroup.c) takes each task's own cgroup for the top of all otherwise, and all tops become one at the restore.
OptionList cgroup_options(const proc::Identity& init) {
    OptionList options;
    for (const proc::CgroupMembership& group : proc::cgroups(init.pid))
        if (const Path top = proc::top_of(group.path); top != group.path)
            options.push_back({"cgroup-root", group.controllers + ":" + top.native(),
                               "its systemd has made control groups of its own below this one"});
    return options;
}

}  // namespace

std::string namespace_path(const Json& config, const std::string& type) {
    for (const Json& entry : config.value("/linux/namespaces"_json_pointer, Json::array()))
        if (entry.value("type", "") == type) return entry.value("path", "");
    return "";
}

Path lasting_network(const Json& config) {
    return has_own_namespace(config, "network") ? namespace_path(config, "network") : "/proc/self/ns/net";
}

std::string order_of(const Json& config, const Json& labels) {
    for (const Json& names : {labels, config.value("annotations", Json())})
        if (names.is_object() && names.contains(kOrderName)) return names.at(kOrderName);
    return "";
}

std::string runc_mount_key(const proc::Mount& mount) { return mount.root == "/null" ? "/dev/null" : mount.mount_point; }

Path freezer_of(const proc::Identity& init) {
    for (const proc::CgroupMembership& group : proc::cgroups(init.pid))
        if (group.controllers == "freezer" && group.path != "/")
            return Path("/sys/fs/cgroup/freezer") / group.path.substr(1);
    return proc::unified_cgroup_of(init.pid);
}

Json read_oci_config(const Path& bundle) {
    try {
        return Json::parse(sys::read_file(bundle / "config.json"));
    } catch (const nlohmann::json::exception&) {
        throw Error(Kind::failed, "'" + (bundle / "config.json").string() + "' is not a container's configuration");
    }
}

Description describe_oci(const OciContainer& container, const Json& config, const MountKey& key) {
    const Stdio stdio = look_at_stdio(container.init.pid);
    Description description;
    description.init = container.init;
    description.paused = container.paused;
    description.rootfs = container.rootfs;
    description.volumes = bind_mounts(config, container.bundle);
    description.freezer = freezer_of(container.init);
    description.order = order_of(config, Json());

    description.options = {
        {"root", description.rootfs, "the container's root file system"},
        {"cgroup-mode", "soft", "its runtime makes the container's cgroups again; the host's stay as they are"}};
    for (const OptionList& more :
         {mount_options(container.init, config, key), namespace_options(container.init, config),
          cgroup_options(container.init), stdio.options})
        description.options.insert(description.options.end(), more.begin(), more.end());
    if (description.paused)
        description.options.push_back({"freeze-cgroup", description.freezer, "the container is paused and stays so"});

    description.lasting_network = lasting_network(config);
    description.image_files = {{"descriptors.json", Json(stdio.targets).dump()}};
    description.runtime_files = {{"config.json", sys::read_file(container.bundle / "config.json")}};
    description.details = {{"bundle", container.bundle.string()},
                           {"freezer", description.freezer.string()},
                           {"paused", description.paused},
                           {"stdio", stdio.details},
                           {"console", stdio.console},
                           {"network_path", namespace_path(config, "network")},
                           {"own_network", description.lasting_network.empty()}};
    return description;
}

sys::WaitStatus wait_for_restore(sys::Child& child, pid_t root, sys::Interrupts& interrupts) {
    constexpr int kBetweenLooksMs = 1000;
    constexpr int kLooksAfterInterrupt = 2;
    const std::uint64_t own_pids = proc::namespace_inode(::getpid(), "pid");
    const auto is_criu = [](const proc::Stat& task) { return task.command == "criu"; };
    pollfd ended{child.pidfd(), POLLIN, 0};
    for (int interrupted = 0; ::poll(&ended, 1, kBetweenLooksMs) == 0;) {
        if (interrupts.pending()) ++interrupted;
        const std::vector<proc::Stat> tasks = proc::tree_of(root, proc::all_processes());
        // Its children that try out the kernel end by signals at each start (4.2.1, criu/kerndat.c).
        const auto is_child_of_criu = [&](const proc::Stat& task) {
            return std::any_of(tasks.begin(), tasks.end(),
                               [&](const proc::Stat& other) { return other.id.pid == task.parent && is_criu(other); });
        };
        const bool died = std::any_of(tasks.begin(), tasks.end(), [&](const proc::Stat& task) {
            return is_criu(task) && !is_child_of_criu(task) && proc::ended_by_signal(task.id.pid);
        });
        if (!died && interrupted <= kLooksAfterInterrupt) continue;
        for (const proc::Stat& task : tasks)
            if (is_criu(task) || proc::namespace_inode(task.id.pid, "pid") != own_pids) proc::kill_and_wait(task.id);
    }
    return child.wait();
}

void end_remains(const Path& freezer) {
    const std::uint64_t own_pids = proc::namespace_inode(::getpid(), "pid");
    if (freezer.empty()) return;
    for (const Path& cgroup : proc::cgroups_below(freezer)) {
        std::istringstream pids(sys::read_file_if_exists(cgroup / "cgroup.procs").value_or(""));
        for (pid_t pid = 0; pids >> pid;) {
            const std::optional<proc::Stat> task = proc::read_stat(pid);
            if (task && (task->command == "criu" || proc::namespace_inode(pid, "pid") != own_pids))
                proc::kill_and_wait(task->id);
        }
    }
}

}  // namespace stasis::runtime
