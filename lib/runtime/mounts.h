#pragma once

#include <set>
#include <string>
#include <vector>

#include "lib/proc/process.h"

namespace stasis::runtime {

/// Which mounts of a container come from outside: CRIU must not dump them but have them handed
/// back at restore. A mount is the container's own when it is a part of its root file system, a
/// kernel file system mounted whole, or (part of) a file system that the host has nowhere mounted.
std::vector<proc::Mount> mounts_from_outside(const std::vector<proc::Mount>& container,
                                             const std::vector<proc::Mount>& host, bool own_cgroup_namespace);

}  // namespace stasis::runtime
