#include "lib/proc/mount.h"

#include <algorithm>

#include "lib/base/error.h"

namespace stasis::proc {
namespace {

bool lies_on(const std::string& path, const std::string& mount_point) {
    return mount_point == "/" || path == mount_point || path.starts_with(mount_point + "/");
}

}  // namespace

const Mount& mount_of(const sys::Path& path, const std::vector<Mount>& mounts) {
    const std::string place = std::filesystem::weakly_canonical(std::filesystem::absolute(path));
    const Mount* found = nullptr;
    // Of two at one place the later one covers the other.
    for (const Mount& mount : mounts)
        if (lies_on(place, mount.mount_point) &&
            (found == nullptr || mount.mount_point.size() >= found->mount_point.size()))
            found = &mount;
    if (found == nullptr) throw Error(Kind::failed, "'" + place + "' lies on no mount");
    return *found;
}

const Mount* repeated_by(const Mount& mount, const std::vector<Mount>& mounts) {
    const auto below =
        std::find_if(mounts.begin(), mounts.end(), [&](const Mount& other) { return other.id == mount.parent_id; });
    if (below == mounts.end() || below->device != mount.device) return nullptr;
    const sys::Path same = sys::Path(below->root) / sys::Path(mount.mount_point).lexically_relative(below->mount_point);
    return same == mount.root ? &*below : nullptr;
}

}  // namespace stasis::proc
