#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace stasis::proc {

/// Runs a command in a pid namespace of its own, and a mount namespace with its /proc; returns the command's exit code
/// (128 and the signal's number where one ended it). Where it is 0 the namespace's first process, which reaps, stays
/// for as long as others do that the command has left there: `started` is told its pid, as we see it. Else nothing
/// stays, and nothing if we are killed meanwhile. Throws system_error. Only for a process with one thread.
int run_in_pid_namespace(std::vector<std::string> command, const std::function<void(pid_t)>& started);

}  // namespace stasis::proc
