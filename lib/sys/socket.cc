#include "lib/sys/socket.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "lib/base/error.h"

namespace stasis::sys {

std::pair<UniqueFd, UniqueFd> socket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0)
        throw system_error(errno, "create a pair of sockets");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace stasis::sys
