#pragma once

#include <string>
#include <vector>

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// Where a restore's podman has our lock: beyond the numbers that it gives to conmon's pipes.
constexpr int kLockFd = 200;

// conmon watches a container, starts its runtime, and is the only program in between that podman lets us choose
// (--conmon). We go in its place, by a file that names ourselves as its interpreter.

/// Why the kernel would start no such file in `folder`; "" where it would, or where there is no such folder.
std::string conmon_obstacle(const Path& folder);

/// What to have podman start as conmon for a restore. What CRIU must find in its environment podman does not pass on,
/// and conmon_env_vars are the administrator's (podman 4.3.1): this one sets it. `configuration` is CRIU's.
Path write_conmon(const RestorePlan& plan, const Path& configuration);

/// One that removes this file when it is to watch a container, and fails: podman has done all then that comes before.
Path write_failing_conmon(const RestorePlan& plan);

/// Runs conmon, for the `file` that either of them wrote.
[[noreturn]] void run_conmon(const Path& file, std::vector<std::string> arguments);

}  // namespace stasis::runtime
