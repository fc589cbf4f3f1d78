#include "lib/inspect/mounts.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "lib/inspect/blockers.h"
#include "lib/inspect/units.h"

namespace stasis::inspect {
namespace {

/// File systems that CRIU makes again with what is in them (4.2.1, criu/filesystems.c); btrfs and fuse are
/// in its table, and refused.
constexpr std::array<std::string_view, 18> kKnown{"proc",    "sysfs",   "devtmpfs", "binfmt_misc", "tmpfs",   "devpts",
                                                  "simfs",   "pstore",  "mqueue",   "securityfs",  "aufs",    "fusectl",
                                                  "debugfs", "tracefs", "cgroup",   "cgroup2",     "overlay", "autofs"};

/// Of these a new mount is as good as the old one: the kernel fills them.
constexpr std::array<std::string_view, 3> kMountedAnew{"configfs", "efivarfs", "selinuxfs"};

/// And a file system in memory that is empty: systemd leaves one for each unit that was started with credentials
/// (v252, /run/credentials).
constexpr const char* kInMemory = "ramfs";

template <std::size_t size>
bool contains(const std::array<std::string_view, size>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

template <typename Matches>
bool is_given(const Scene& scene, const std::string& key, Matches matches) {
    return std::any_of(scene.surroundings.given.begin(), scene.surroundings.given.end(),
                       [&](const Option& option) { return option.key == key && matches(option.value); });
}

/// `enable-fs` takes one kind, several between commas, or all.
bool is_enabled(const Scene& scene, const std::string& type) {
    return is_given(scene, "enable-fs", [&](const std::string& value) {
        return value == "all" || ("," + value + ",").find("," + type + ",") != std::string::npos;
    });
}

bool is_external(const Scene& scene, const proc::Mount& mount) {
    return is_given(scene, "external", [&](const std::string& value) {
        return value.starts_with(fmt::format("mnt[{}]", mount.mount_point));
    });
}

struct UnknownMount {
    const Task& task;  ///< the first one that sees it
    proc::Mount mount;
    bool as_good_anew = false;
};

bool is_empty(pid_t pid, const std::string& folder) {
    std::error_code unreadable;
    return std::filesystem::is_empty(fmt::format("/proc/{}/root{}", pid, folder), unreadable) && !unreadable;
}

/// 0 where another mount covers it, or it has ended.
std::uint64_t bytes_in(pid_t pid, const proc::Mount& mount) {
    const std::string path = fmt::format("/proc/{}/root{}", pid, mount.mount_point);
    struct stat top {};
    struct statvfs size {};
    if (::stat(path.c_str(), &top) < 0 || ::statvfs(path.c_str(), &size) < 0) return 0;
    if (fmt::format("{}:{}", major(top.st_dev), minor(top.st_dev)) != mount.device) return 0;
    return (size.f_blocks - size.f_bfree) * size.f_frsize;
}

/// The target's own, each once.
template <typename Work>
void for_each_mount_namespace(const Scene& scene, Work work) {
    std::set<std::uint64_t> seen{scene.own_namespaces.at("mnt")};
    for (const Task& task : scene.tasks) {
        if (task.mounts.empty() || seen.contains(task.namespaces.at("mnt"))) continue;
        const std::vector<proc::Mount> mounts = proc::mounts(task.pid());
        if (mounts.empty()) continue;  // it has ended meanwhile: another one may be there as well
        seen.insert(task.namespaces.at("mnt"));
        work(task, mounts);
    }
}

/// systemd binds a folder of /run to this place for each unit with a mount namespace, as a slave of /run. CRIU can't
/// make two of these (4.2, criu/mount-v2.c: "Can't copy sharing", for neither's root holds the other's). It takes what
/// `systemctl bind` and `mount-image` send into a running unit.
void choose_systemd_places(const Scene& scene, OptionList& options) {
    constexpr const char* kPlace = "/run/systemd/incoming";
    int places = 0;
    for_each_mount_namespace(scene, [&](const Task&, const std::vector<proc::Mount>& mounts) {
        places += static_cast<int>(std::count_if(mounts.begin(), mounts.end(), [&](const proc::Mount& mount) {
            return mount.mount_point == kPlace && mount.slave && !mount.shared;
        }));
    });
    if (places > 1)
        options.push_back({"skip-mnt", kPlace,
                           fmt::format("{} units of systemd have it; `systemctl bind` reaches them no more until they "
                                       "are restarted",
                                       places)});
}

/// Mounts of the target's own that CRIU does not know. A second mount of a file system that is the root, or comes from
/// outside, is bound to that.
std::vector<UnknownMount> unknown_mounts(const Scene& scene) {
    std::vector<UnknownMount> unknown;
    for_each_mount_namespace(scene, [&](const Task& task, const std::vector<proc::Mount>& mounts) {
        std::set<std::string> given;
        for (const proc::Mount& mount : mounts)
            if (mount.root == "/" && (mount.mount_point == "/" || is_external(scene, mount)))
                given.insert(mount.device);
        for (const proc::Mount& mount : mounts)
            if (mount.root == "/" && !contains(kKnown, mount.type) && !given.contains(mount.device))
                unknown.push_back({task, mount,
                                   contains(kMountedAnew, mount.type) ||
                                       (mount.type == kInMemory && is_empty(task.pid(), mount.mount_point))});
    });
    return unknown;
}

}  // namespace

void choose_file_systems(const Scene& scene, OptionList& options) {
    choose_systemd_places(scene, options);
    for (const auto& [task, mount, as_good_anew] : unknown_mounts(scene)) {
        const bool is_chosen = std::any_of(options.begin(), options.end(), [&type = mount.type](const Option& option) {
            return option.key == "enable-fs" && option.value == type;
        });
        if (!is_chosen && as_good_anew)
            options.push_back({"enable-fs", mount.type, "'" + mount.mount_point + "' is mounted anew at the restore"});
    }
}

std::uint64_t tmpfs_bytes(const Scene& scene) {
    std::map<std::string, std::uint64_t> by_device;
    for_each_mount_namespace(scene, [&](const Task& task, const std::vector<proc::Mount>& mounts) {
        for (const proc::Mount& mount : mounts) {
            if (mount.type != "tmpfs" || mount.root != "/" || is_external(scene, mount)) continue;
            std::uint64_t& bytes = by_device[mount.device];
            bytes = std::max(bytes, bytes_in(task.pid(), mount));
        }
    });
    std::uint64_t total = 0;
    for (const auto& [device, bytes] : by_device) total += bytes;
    return total;
}

void find_in_mounts(const Scene& scene, Blockers& found) {
    for (const auto& [task, mount, as_good_anew] : unknown_mounts(scene)) {
        if (as_good_anew || is_enabled(scene, mount.type) ||
            is_given(scene, "skip-mnt",
                     [&point = mount.mount_point](const std::string& value) { return value == point; }))
            continue;
        // A unit of systemd keeps what it saw when it was started.
        const bool is_nested = task.namespaces.at("mnt") != scene.root().namespaces.at("mnt");
        const std::string unit = is_nested ? unit_of(task.pid()) : "";
        found.push_back(
            {"file-system",
             fmt::format("'{}' is a file system of the kind {} that was mounted in the container{}, which CRIU can't "
                         "make again",
                         mount.mount_point, mount.type, is_nested ? ", for " + task.text() : ""),
             fmt::format("mount it on the host and bind it into the container, or unmount it{}; where the container "
                         "can do without, leave it out with `--criu-option skip-mnt={}`, or have it empty with "
                         "`--criu-option enable-fs={}`",
                         unit.empty() ? "" : " and restart " + unit, mount.mount_point, mount.type)});
    }
}

}  // namespace stasis::inspect
