#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace stasis::proc {

/// An address with its port, as users write them: "127.0.0.1:80", "[::1]:80".
std::string endpoint(const std::string& address, std::uint16_t port);

/// A unix socket; `peer` is 0 where there is none (any more).
struct UnixSocket {
    std::uint64_t inode = 0;
    std::uint64_t peer = 0;
    int type = 0;      ///< SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
    int state = 0;     ///< TCP_ESTABLISHED, TCP_LISTEN, TCP_CLOSE, as in <netinet/tcp.h>
    std::string name;  ///< the path, or "@name"
    /// Of a listener: connections that wait to be accepted, by the inodes of the other ends.
    std::vector<std::uint64_t> waiting;
};

/// A TCP socket in any state but TIME_WAIT.
struct TcpSocket {
    std::uint64_t inode = 0;  ///< 0 where no process has it open
    int state = 0;            ///< TCP_ESTABLISHED …, as in <netinet/tcp.h>
    std::string address;      ///< on this side, as text
    std::uint16_t port = 0;
    std::string local;  ///< an endpoint()
    std::string remote;

    bool listens() const;
    bool connected() const;  ///< has a peer: neither listening, nor still being made, nor over
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

/// Inodes of the sockets that a process has open.
std::vector<std::uint64_t> socket_inodes(pid_t pid);

}  // namespace stasis::proc
