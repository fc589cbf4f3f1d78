#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>

namespace stasis::proc {

/// The network devices that a process sees and that are in use, the loopback device aside: those with a route (IPv4) or
/// an address (IPv6).
std::set<std::string> network_devices(pid_t pid);

/// The number by which our network namespace knows another one, of which `network` is a descriptor: the `link_netnsid`
/// of devices whose other end is there (RTM_GETNSID, rtnetlink(7)). Nothing where it knows none. Throws system_error.
std::optional<int> network_number(int network);

}  // namespace stasis::proc
