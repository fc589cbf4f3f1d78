#pragma once

#include "lib/sys/file.h"

namespace stasis::ops {

// A network namespace by path whose addresses have moved to one on another host: its neighbours are to find them there.

/// Its devices answer no more questions for their addresses (ARP); CRIU's lock keeps all else from it, IPv6's as well.
/// Their routes and addresses stay. Throws Kind::failed.
void fall_silent(const sys::Path& network);

/// They answer again. Throws Kind::failed.
void speak_again(const sys::Path& network);

/// Its devices answer, also where they were silent until now, and tell their neighbours of all addresses by gratuitous
/// ARP and unsolicited neighbour advertisements. The kernel sends them where arp_notify and ndisc_notify are set and a
/// device gets a hardware address, also the one that it has (Documentation/networking/ip-sysctl.rst). Throws
/// Kind::failed.
void announce(const sys::Path& network);

}  // namespace stasis::ops
