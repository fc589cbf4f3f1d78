#pragma once

#include "lib/criu/criu.h"
#include "lib/ops/context.h"
#include "lib/store/manifest.h"

namespace stasis::ops {

/// Restores a bare tree, whose pids are taken on the host, into a pid namespace of its own; returns its first task's
/// pid, as the host numbers it. By CRIU's command line: over swrk it looks for our descriptors in /proc by our pid, and
/// we have none in that namespace. Throws Kind::failed.
int restore_into_new_pids(const criu::Binary& criu, const store::Manifest& manifest, const runtime::RestorePlan& plan,
                          sys::Interrupts& interrupts);

}  // namespace stasis::ops
