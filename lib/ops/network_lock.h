#pragma once

#include "lib/sys/file.h"

namespace stasis::ops {

/// Is the program `nft` there?
bool has_nftables();

/// Opens a network namespace that a run of CRIU locked: removes its firewall table, where it is
/// still there, and no other run's. `log` is CRIU's log of that run, which names it.
void unlock_network(int network_namespace, const sys::Path& log);

}  // namespace stasis::ops
