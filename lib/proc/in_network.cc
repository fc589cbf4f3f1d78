#include "lib/proc/in_network.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "lib/base/error.h"
#include "lib/proc/process.h"
#include "lib/sys/own_thread.h"

namespace stasis::proc {

void in_network(int network, const std::function<void()>& body) {
    struct stat there {};
    if (::fstat(network, &there) == 0 && there.st_ino == namespace_inode(::getpid(), "net")) return body();
    sys::in_own_thread([&] {
        if (::setns(network, CLONE_NEWNET) < 0) throw system_error(errno, "enter a network namespace");
        body();
    });
}

}  // namespace stasis::proc
