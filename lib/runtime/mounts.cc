#include "lib/runtime/mounts.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace stasis::runtime {
namespace {

bool lies_below(const std::string& path, const std::string& folder) {
    return folder == "/" || path == folder || path.starts_with(folder + "/");
}

/// File systems without a disk that CRIU mounts anew, whoever else has them mounted.
bool is_mounted_anew(const proc::Mount& mount, bool own_cgroups) {
    constexpr std::array<std::string_view, 3> kKernelViews{"proc", "sysfs", "mqueue"};
    if ((mount.type == "cgroup" || mount.type == "cgroup2") && own_cgroups) return true;
    return mount.root == "/" && std::find(kKernelViews.begin(), kKernelViews.end(), mount.type) != kKernelViews.end();
}

/// Does the host have cgroup v2 alone? There a container has the hierarchy mounted, and no folders of the host's,
/// with a cgroup namespace or without, and `runc restore` hands none back (1.1.5, criu_linux.go).
bool has_unified_cgroups(const std::vector<proc::Mount>& host) {
    return std::any_of(host.begin(), host.end(), [](const proc::Mount& mount) {
        return mount.mount_point == "/sys/fs/cgroup" && mount.type == "cgroup2";
    });
}

}  // namespace

std::vector<proc::Mount> mounts_from_outside(const std::vector<proc::Mount>& container,
                                             const std::vector<proc::Mount>& host, bool own_cgroup_namespace) {
    const auto root = std::find_if(container.begin(), container.end(),
                                   [](const proc::Mount& mount) { return mount.mount_point == "/"; });
    std::set<std::string> host_devices;
    for (const proc::Mount& mount : host) host_devices.insert(mount.device);
    const bool own_cgroups = own_cgroup_namespace || has_unified_cgroups(host);

    std::vector<proc::Mount> outside;
    for (const proc::Mount& mount : container) {
        if (mount.mount_point == "/" || is_mounted_anew(mount, own_cgroups)) continue;
        if (root != container.end() && mount.device == root->device && lies_below(mount.root, root->root)) continue;
        const bool has_whole = std::any_of(container.begin(), container.end(), [&](const proc::Mount& other) {
            return other.device == mount.device && other.root == "/";
        });
        const bool is_kernel_view = mount.type == "proc" || mount.type == "sysfs";
        if (has_whole && (is_kernel_view || !host_devices.contains(mount.device))) continue;
        outside.push_back(mount);
    }
    return outside;
}

}  // namespace stasis::runtime
