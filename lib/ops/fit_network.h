#pragma once

#include <vector>

#include "lib/ops/misfit.h"
#include "lib/sys/file.h"

namespace stasis::ops {

/// Compares the addresses and ports that a target had with those of the network namespace at `network`,
/// where that outlives the target: by asking the kernel for them with the socket options that CRIU sets (4.2,
/// criu/sk-inet.c: SO_REUSEADDR and SO_REUSEPORT). A connection needs its address alone: CRIU makes it in the
/// kernel's repair mode, in which another socket's port is no obstacle (Linux 6.18).
/// `replaced` holds the processes that are killed before the restore. A namespace that is not there is not ours to
/// name.
void compare_network(const Expectations& expected, const sys::Path& network, const std::vector<proc::Stat>& replaced,
                     Fit& fit);

}  // namespace stasis::ops
