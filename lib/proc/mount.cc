#include "lib/proc/mount.h"

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

}  // namespace stasis::proc
