#include "lib/inspect/mounts.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "lib/inspect/blockers.h"

namespace stasis::inspect {
namespace {

/// File systems that CRIU makes again with what is in them (4.2.1, criu/filesystems.c); btrfs and fuse are
/// in its table, and refused.
constexpr std::array<std::string_view, 18> kKnown{"proc",    "sysfs",   "devtmpfs", "binfmt_misc", "tmpfs",   "devpts",
                                                  "simfs",   "pstore",  "mqueue",   "securityfs",  "aufs",    "fusectl",
                                                  "debugfs", "tracefs", "cgroup",   "cgroup2",     "overlay", "autofs"};

/// Of these a new mount is as good as the old one: the kernel fills them, or they are empty.
constexpr std::array<std::string_view, 6> kMountedAnew{"bpf",       "configfs", "efivarfs",
                                                       "hugetlbfs", "ramfs",    "selinuxfs"};
constexpr std::array<std::string_view, 3> kFilledByPrograms{"bpf", "hugetlbfs", "ramfs"};

template <std::size_t size>
bool contains(const std::array<std::string_view, size>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_empty(const Task& task, const proc::Mount& mount) {
    std::error_code unreadable;
    return std::filesystem::is_empty(fmt::format("/proc/{}/root{}", task.pid(), mount.mount_point), unreadable) &&
           !unreadable;
}

bool can_be_mounted_anew(const Task& task, const proc::Mount& mount) {
    return contains(kMountedAnew, mount.type) && (!contains(kFilledByPrograms, mount.type) || is_empty(task, mount));
}

bool is_given(const Scene& scene, const std::string& key, const std::string& beginning) {
    return std::any_of(scene.surroundings.given.begin(), scene.surroundings.given.end(),
                       [&](const Option& option) { return option.key == key && option.value.starts_with(beginning); });
}

/// Mounts of the target's own that CRIU does not know, each with a task that sees it.
std::vector<std::pair<const Task*, proc::Mount>> unknown_mounts(const Scene& scene) {
    std::vector<std::pair<const Task*, proc::Mount>> unknown;
    std::set<std::uint64_t> seen{scene.own_namespaces.at("mnt")};
    for (const Task& task : scene.tasks) {
        if (task.mounts.empty() || !seen.insert(task.namespaces.at("mnt")).second) continue;
        for (proc::Mount& mount : proc::mounts(task.pid()))
            if (mount.mount_point != "/" && mount.root == "/" && !contains(kKnown, mount.type) &&
                !is_given(scene, "external", fmt::format("mnt[{}]", mount.mount_point)))
                unknown.emplace_back(&task, std::move(mount));
    }
    return unknown;
}

}  // namespace

void choose_file_systems(const Scene& scene, OptionList& options) {
    for (const auto& [task, mount] : unknown_mounts(scene)) {
        const bool is_chosen = std::any_of(options.begin(), options.end(), [type = mount.type](const Option& option) {
            return option.key == "enable-fs" && option.value == type;
        });
        if (!is_chosen && can_be_mounted_anew(*task, mount))
            options.push_back({"enable-fs", mount.type, "'" + mount.mount_point + "' is mounted anew at the restore"});
    }
}

void find_in_mounts(const Scene& scene, Blockers& found) {
    for (const auto& [task, mount] : unknown_mounts(scene)) {
        if (can_be_mounted_anew(*task, mount) || is_given(scene, "enable-fs", mount.type) ||
            is_given(scene, "skip-mnt", mount.mount_point))
            continue;
        found.push_back(
            {"file-system",
             fmt::format("'{}' is a file system of the kind {} that was mounted in the container, which CRIU can't "
                         "make again",
                         mount.mount_point, mount.type),
             fmt::format("mount it on the host and bind it into the container, or unmount it; where the container can "
                         "do without: `--criu-option skip-mnt={}`",
                         mount.mount_point)});
    }
}

}  // namespace stasis::inspect
