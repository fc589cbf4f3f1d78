#include "lib/runtime/private_mount.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "lib/base/error.h"
#include "lib/sys/child.h"

namespace stasis::runtime {

std::vector<std::string> with_mount(const sys::Path& source, const sys::Path& target,
                                    std::vector<std::string> command) {
    const std::vector<std::string> prefix{sys::own_path(), "run-with-mount", source, target, "--"};
    command.insert(command.begin(), prefix.begin(), prefix.end());
    return command;
}

void run_with_mount(const sys::Path& source, const sys::Path& target, std::vector<std::string> command) {
    // Slaves: what is mounted on the host later still reaches the container, but not the other way.
    if (::unshare(CLONE_NEWNS) < 0 || ::mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
        throw system_error(errno, "make a mount namespace for '" + command.front() + "'");
    if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) < 0)
        throw system_error(errno, "mount '" + source.string() + "' over '" + target.string() + "'");
    std::vector<char*> args;
    for (std::string& word : command) args.push_back(word.data());
    args.push_back(nullptr);
    (void)::execvp(args[0], args.data());
    throw system_error(errno, "start '" + command.front() + "'");
}

}  // namespace stasis::runtime
