#include "lib/sys/lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "lib/base/error.h"

namespace stasis::sys {

std::optional<UniqueFd> try_lock(const Path& path, bool create) {
    constexpr mode_t kOwnerOnly = 0600;
    UniqueFd fd =
        create ? open_path(path, O_RDWR | O_CREAT | O_NOFOLLOW, kOwnerOnly) : open_path(path, O_RDONLY | O_NOFOLLOW);
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) return std::nullopt;
        if (errno != EINTR) throw system_error(errno, "lock '" + path.string() + "'");
    }
    return fd;
}

UniqueFd wait_for_lock(const Path& path) {
    UniqueFd fd = open_path(path, O_RDONLY | O_NOFOLLOW);
    while (::flock(fd.get(), LOCK_EX) < 0)
        if (errno != EINTR) throw system_error(errno, "lock '" + path.string() + "'");
    return fd;
}

}  // namespace stasis::sys
