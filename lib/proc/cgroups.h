#pragma once

#include <sys/types.h>

#include <vector>

#include "lib/sys/file.h"

namespace stasis::proc {

/// The top of the cgroups that a container's first process, which is in `group`, begins: that cgroup, or the one above
/// systemd's init.scope.
sys::Path top_of(const sys::Path& group);

/// Where this process sees the tree of cgroups v2 that a container's first process begins. Empty where there is no
/// cgroup v2, or where it is the root of all.
sys::Path unified_cgroup_of(pid_t init);

/// A cgroup, and all below it; those that go meanwhile may be missing.
std::vector<sys::Path> cgroups_below(const sys::Path& top);

/// Gives the files of these cgroups to whom they belonged: below the first, to the folder's owner, as the kernel does
/// for who makes a cgroup; in the first, those by which it is delegated. A restore by CRIU (4.2.1) does it for cgroups
/// v1 alone, and a systemd in a user namespace could not start a service any more.
void give_unified_cgroups_to_owners(pid_t init);

}  // namespace stasis::proc
