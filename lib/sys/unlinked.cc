#include "lib/sys/unlinked.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "lib/base/error.h"
#include "lib/sys/own_thread.h"

namespace stasis::sys {
namespace {

/// Where the kernel has no such flag (mount_setattr(2)), they stay open. A tree that is not there is the command's
/// affair.
void close_links(const Path& tree) {
    struct mount_attr attributes {};
    attributes.attr_set = MOUNT_ATTR_NOSYMFOLLOW;
    if (::mount(tree.c_str(), tree.c_str(), nullptr, MS_BIND, nullptr) < 0) {
        if (errno == ENOENT) return;
        throw system_error(errno, "bind '" + tree.string() + "'");
    }
    if (::mount_setattr(AT_FDCWD, tree.c_str(), 0, &attributes, sizeof attributes) < 0 && errno != EINVAL &&
        errno != ENOSYS)
        throw system_error(errno, "have the links of '" + tree.string() + "' lead nowhere");
}

}  // namespace

Running start_unlinked(Command command, const Path& tree) {
    if (::geteuid() != 0) return Running::start(std::move(command));
    std::optional<Running> running;
    in_own_thread([&] {
        if (::unshare(CLONE_NEWNS) < 0) throw system_error(errno, "make a mount namespace");
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
            throw system_error(errno, "have a mount namespace of its own");
        close_links(tree);
        running.emplace(Running::start(std::move(command)));
    });
    return std::move(*running);
}

}  // namespace stasis::sys
