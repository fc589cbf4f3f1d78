#include <array>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/inspect/blockers.h"
#include "lib/inspect/units.h"

namespace stasis::inspect {
namespace {

/// Of all namespaces CRIU can put only these below the root's (criu/namespaces.c, CLONE_SUBNS), and only
/// where the root has one of its own.
constexpr std::array<const char*, 2> kNestable{"mnt", "net"};

/// The rest, and the setting of a systemd unit that makes one (systemd.exec(5)).
constexpr std::array<std::pair<const char*, const char*>, 6> kNotNestable{{{"cgroup", "ProtectControlGroups="},
                                                                           {"ipc", "PrivateIPC="},
                                                                           {"pid", "PrivatePIDs="},
                                                                           {"time", ""},
                                                                           {"user", "PrivateUsers="},
                                                                           {"uts", "ProtectHostname="}}};

std::string remedy_for(const Task& task, const std::string& setting) {
    const std::string unit = unit_of(task.pid());
    if (unit.empty() || setting.empty()) return "start it without a namespace of its own (unshare, clone)";
    return drop_in(unit, setting + "no");
}

void find_nested(const Scene& scene, const Task& task, const std::string& type, const std::string& setting,
                 Blockers& found) {
    const std::uint64_t own = task.namespaces.at(type);
    if (own == 0 || own == scene.root().namespaces.at(type) || own == scene.own_namespaces.at(type)) return;
    found.push_back({"namespace",
                     fmt::format("{} is not in the {} namespace of the target's first process, which CRIU can't dump",
                                 task.text(), type),
                     remedy_for(task, setting)});
}

/// A namespace below one that the tree shares with the host can be dumped, but not restored.
void find_nested_in_hosts(const Scene& scene, const Task& task, const std::string& type, Blockers& found) {
    if (!scene.shares(type) || task.namespaces.at(type) == 0 ||
        task.namespaces.at(type) == scene.own_namespaces.at(type))
        return;
    found.push_back(
        {"namespace",
         fmt::format("{} has a {} namespace of its own, and the target's first process that of the host: CRIU "
                     "can't restore that",
                     task.text(), type),
         fmt::format("start the whole target in a {} namespace of its own", type)});
}

/// CRIU wants a task's and its children's to be one (criu/namespaces.c).
void find_time_for_children(const Scene& scene, const Task& task, Blockers& found) {
    const std::uint64_t own = task.namespaces.at("time");
    const std::uint64_t of_children = task.namespaces.at("time_for_children");
    const bool ended_meanwhile = of_children == 0;
    if (ended_meanwhile || own != scene.root().namespaces.at("time") || of_children == own) return;
    found.push_back({"namespace", task.text() + " has made a time namespace for its children, which CRIU can't dump",
                     "start it without one (unshare --time)"});
}

void find_without_mapping(const Task& root, Blockers& found) {
    const std::optional<std::string> map = sys::read_file_if_exists(fmt::format("/proc/{}/uid_map", root.pid()));
    if (!map || !map->empty()) return;
    found.push_back({"namespace",
                     root.text() + " is in a user namespace without a mapping of user ids, which CRIU can't dump",
                     "write /proc/PID/uid_map and gid_map after making the namespace (`unshare --map-root-user`)"});
}

}  // namespace

void find_in_namespaces(const Scene& scene, Blockers& found) {
    find_without_mapping(scene.root(), found);
    for (const Task& task : scene.tasks) {
        for (const auto& [type, setting] : kNotNestable) find_nested(scene, task, type, setting, found);
        for (const char* type : kNestable) find_nested_in_hosts(scene, task, type, found);
        find_time_for_children(scene, task, found);
    }
}

}  // namespace stasis::inspect
