#pragma once

#include <vector>

#include "lib/inspect/warnings.h"
#include "lib/runtime/runtime.h"

namespace stasis::ops {

/// Warns of what is mounted from the host's memory (tmpfs, ramfs) into a target that is stopped, perhaps for a reboot,
/// which would take it away. Sockets and devices do not count: who made them makes them again.
void warn_of_lost_mounts(const runtime::Description& described, bool keep_volumes,
                         std::vector<inspect::Warning>& warnings);

}  // namespace stasis::ops
