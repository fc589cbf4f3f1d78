#pragma once

#include "lib/sys/file.h"

namespace stasis::runtime {

/// Sets the rules of a firewall again that CRIU has saved from the first network namespace of a dump, in the one that
/// the caller is in; where CRIU is told that the namespace is empty (runc), it does not. CRIU saves those of nf_tables
/// as text in `nftables-ID.img`, and those of iptables' older kind in `iptables-ID.img` and `ip6tables-ID.img` (4.2.1,
/// criu/net.c); its own table, which locked the network, is left out. Throws Kind::failed.
void restore_firewall(const sys::Path& images);

}  // namespace stasis::runtime
