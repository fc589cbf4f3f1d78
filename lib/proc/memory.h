#pragma once

#include <cstdint>

#include "lib/sys/file.h"

namespace stasis::proc {

/// Bytes that we can have without anything being swapped out (MemAvailable, proc_meminfo(5)), nor a limit of our
/// control groups being reached, as a systemd unit's MemoryMax; 0 where the kernel does not say.
std::uint64_t available_memory();

/// What is left of the limits on a control group, `group` as in /proc/PID/cgroup, and on those above it, up to the
/// hierarchy's `root`. Page cache counts as free. UINT64_MAX where there is no limit. (cgroups v1: memory.rst; v2:
/// cgroup-v2.rst in the kernel's documentation.)
std::uint64_t room_in_group(const sys::Path& root, const sys::Path& group);

}  // namespace stasis::proc
