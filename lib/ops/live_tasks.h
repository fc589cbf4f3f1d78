#pragma once

#include <vector>

#include "lib/pages/live.h"
#include "lib/proc/process.h"

namespace stasis::ops {

/// The processes of a tree, with the pids by which CRIU calls their memory: those that they have where `init` is.
std::vector<pages::LiveTask> live_tasks(const proc::Identity& init);

}  // namespace stasis::ops
