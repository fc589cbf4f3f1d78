#pragma once

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// Engines whose containers are recognised and never touched: LXD and Incus. Each describe() says why, and how the
/// container can be had. They have no list(): `--all` leaves them alone.
std::vector<std::unique_ptr<Adapter>> make_refused_adapters();

}  // namespace stasis::runtime
