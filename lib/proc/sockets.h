#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace stasis::proc {

/// A unix socket; `peer` is 0 where there is none (any more).
struct UnixSocket {
    std::uint64_t inode = 0;
    std::uint64_t peer = 0;
    int type = 0;   ///< SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
    int state = 0;  ///< TCP_ESTABLISHED, TCP_LISTEN, TCP_CLOSE, as in <netinet/tcp.h>
    std::string name;  ///< the path, or "@name"
    /// Of a listener: connections that wait to be accepted, by the inodes of the other ends.
    std::vector<std::uint64_t> waiting;
};

/// A TCP socket in any state but TIME_WAIT.
struct TcpSocket {
    std::uint64_t inode = 0;
    int state = 0;  ///< TCP_ESTABLISHED …, as in <netinet/tcp.h>
    std::string local;   ///< address and port, as users write them
    std::string remote;
};

/// All sockets of the network namespace of a process, from sock_diag (sock_diag(7)). A kernel without it
/// for a family gives none. Throws where the namespace can't be entered.
struct Sockets {
    std::vector<UnixSocket> of_unix;
    std::vector<TcpSocket> of_tcp;
    /// Inodes of netlink sockets with unread messages.
    std::set<std::uint64_t> netlink_unread;
    /// Inodes of UDP sockets with a datagram that is being put together (UDP_CORK) or sent.
    std::set<std::uint64_t> udp_unsent;
};
Sockets sockets_of(pid_t pid);

}  // namespace stasis::proc
