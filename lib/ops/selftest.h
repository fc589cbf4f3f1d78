#pragma once

#include "lib/criu/criu.h"
#include "lib/ops/context.h"

namespace stasis::ops {

/// Dumps and restores two small processes of our own: one has a timer, and a pipe to the other, which listens on a
/// TCP socket of the loopback address and tells how often the timer has fired. Asks it before and afterwards.
/// Throws with CRIU's own words when any of that fails. Leaves nothing behind.
void run_selftest(const criu::Binary& criu, sys::Interrupts& interrupts);

/// These processes themselves (`stasis selftest-target`): prints its port, then waits to be killed.
int run_selftest_target();

}  // namespace stasis::ops
