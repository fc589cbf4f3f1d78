#pragma once

#include <string>

#include "lib/base/json.h"
#include "lib/sys/file.h"

namespace stasis::runtime {

/// What podman reads before a restore to give a container the addresses that it had (`network.status`, podman 4.3.1):
/// networks, their interfaces in the network namespace at `path`, MAC and IP addresses. `known` is what `podman
/// inspect` says.
std::string network_status(const Json& known, const sys::Path& path);

}  // namespace stasis::runtime
