#pragma once

#include <sys/types.h>

#include <set>
#include <string>

namespace stasis::proc {

/// The network devices that a process sees and that are in use, the loopback device aside: those with a route (IPv4) or
/// an address (IPv6).
std::set<std::string> network_devices(pid_t pid);

}  // namespace stasis::proc
