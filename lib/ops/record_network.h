#pragma once

#include "lib/store/network_record.h"
#include "lib/sys/file.h"

namespace stasis::ops {

/// Is it a network namespace that was made by path, so that a reboot takes it away? Not the host's own, which is
/// `/proc/self/ns/net`, and not one that goes with its container, which has no path.
bool is_network_by_path(const sys::Path& network);

/// What is in the network namespace at `network`, and the host's ends of its veths with their bridges, as iproute2
/// shows them. Throws Kind::failed where it can't be looked at.
store::NetworkRecord record_network(const sys::Path& network);

}  // namespace stasis::ops
