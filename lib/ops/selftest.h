#pragma once

#include "lib/criu/criu.h"
#include "lib/ops/context.h"

namespace stasis::ops {

/// Dumps and restores a small process of our own that listens on a TCP socket of the loopback
/// address, and connects to it afterwards. Throws with CRIU's own words when any of that fails.
/// Leaves nothing behind.
void run_selftest(const criu::Binary& criu, sys::Interrupts& interrupts);

/// The process itself (`stasis selftest-target`): prints its port, then waits to be killed.
int run_selftest_target();

}  // namespace stasis::ops
