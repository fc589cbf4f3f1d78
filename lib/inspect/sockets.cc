#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "lib/inspect/blockers.h"

namespace stasis::inspect {
namespace {

/// The kernel's names of what CRIU has images for (criu/sockets.c, dump_socket; criu/sk-inet.c, can_dump_ipproto).
constexpr std::array<std::string_view, 14> kSupported{"TCP",       "TCPv6",       "UDP",     "UDPv6", "UDP-Lite",
                                                      "UDPLITEv6", "RAW",         "RAWv6",   "PING",  "PINGv6",
                                                      "UNIX",      "UNIX-STREAM", "NETLINK", "PACKET"};

std::string remedy_for(const std::string& protocol) {
    if (protocol.starts_with("MPTCP"))
        return "switch Multipath TCP off: for a Go program `GODEBUG=multipathtcp=0`, for the host `sysctl "
               "net.mptcp.enabled=0`";
    if (protocol == "AF_VSOCK") return "have the program speak TCP or unix sockets instead of vsock";
    return "close it in the program, or end the process; it connects again after the restore";
}

/// Where the other end of a unix socket is: the process and the descriptor. Goes through all processes.
std::string holder_of(const Scene& scene, std::uint64_t inode) {
    const std::string wanted = fmt::format("socket:[{}]", inode);
    for (const proc::Stat& process : scene.processes)
        for (const proc::Descriptor& descriptor : proc::descriptors(process.id.pid))
            if (descriptor.target == wanted)
                return fmt::format("pid {} ({}), descriptor {}", process.id.pid, process.command, descriptor.number);
    return "the kernel or a process that has gone";
}

class UnixSockets {
  public:
    UnixSockets(const Scene& scene, Blockers& found) : scene_(scene), found_(found) {
        for (const proc::Sockets& network : scene.networks)
            for (const proc::UnixSocket& socket : network.of_unix) {
                known_.emplace(socket.inode, &socket);
                for (const std::uint64_t waiting : socket.waiting) listeners_.emplace(waiting, &socket);
            }
    }

    void look_at(const Place& where, std::uint64_t inode) {
        const auto entry = known_.find(inode);
        if (entry == known_.end()) return;  // neither bound nor connected
        const proc::UnixSocket& socket = *entry->second;
        if (socket.type == SOCK_DGRAM)
            datagram(where, socket);
        else if (socket.state == TCP_ESTABLISHED)
            connection(where, socket);
    }

  private:
    void connection(const Place& where, const proc::UnixSocket& socket) {
        // One that still waits to be accepted has its other end in the listener.
        if (const auto listener = listeners_.find(socket.inode); listener != listeners_.end()) {
            if (!scene_.sockets.contains(listener->second->inode))
                refuse(where, listener->second->inode, listener->second->name);
            return;
        }
        if (socket.peer == 0 || scene_.sockets.contains(socket.peer)) return;
        const auto peer = known_.find(socket.peer);
        const std::string name = !socket.name.empty() || peer == known_.end() ? socket.name : peer->second->name;
        refuse(where, socket.peer, name);
    }

    /// CRIU connects a datagram socket again by the other end's name (--ext-unix-sk); it needs one.
    void datagram(const Place& where, const proc::UnixSocket& socket) {
        if (socket.peer == 0 || scene_.sockets.contains(socket.peer)) return;
        const auto peer = known_.find(socket.peer);
        if (peer == known_.end() || peer->second->name.empty()) refuse(where, socket.peer, "");
    }

    void refuse(const Place& where, std::uint64_t peer, const std::string& name) {
        found_.push_back(
            {.id = "unix-peer",
             .cause = fmt::format("{} is half of a unix connection{}; the other half is outside: {}", where.text(),
                                  name.empty() ? "" : " ('" + name + "')", holder_of(scene_, peer)),
             .remedy = "close the connection (restart that client, or run its server in the container), then try again",
             .instance = fmt::format("unix {}", peer)});
    }

    const Scene& scene_;
    Blockers& found_;
    std::map<std::uint64_t, const proc::UnixSocket*> known_;
    std::map<std::uint64_t, const proc::UnixSocket*> listeners_;  ///< by the inode that waits
};

/// Both may empty themselves a moment later; CRIU has no image for what is in them.
void find_queued(const Scene& scene, const Place& where, std::uint64_t inode, Blockers& found) {
    for (const proc::Sockets& network : scene.networks) {
        if (network.netlink_unread.contains(inode))
            found.push_back(
                {"netlink-queue", where.text() + " is a netlink socket with unread messages, which CRIU can't dump",
                 "try again in a moment; where it stays so, the program does not read its socket: restart it", true});
        if (network.udp_unsent.contains(inode))
            found.push_back({"udp-unsent",
                             where.text() + " is a UDP socket with a datagram that is not sent yet (UDP_CORK)",
                             "try again in a moment, when the program has sent it", true});
    }
}

}  // namespace

void find_in_sockets(const Scene& scene, Blockers& found) {
    UnixSockets unix_sockets(scene, found);
    std::set<std::uint64_t> seen;
    for (const Task& task : scene.tasks)
        for (const proc::Descriptor& descriptor : task.descriptors) {
            if (!descriptor.target.starts_with("socket:")) continue;
            const std::uint64_t inode = proc::inode_in(descriptor.target);
            if (!seen.insert(inode).second) continue;  // inherited
            const Place where{task, descriptor};
            const std::string& protocol = scene.sockets.at(inode);
            if (protocol.starts_with("UNIX")) {
                unix_sockets.look_at(where, inode);
            } else if (!protocol.empty() &&
                       std::find(kSupported.begin(), kSupported.end(), protocol) == kSupported.end()) {
                found.push_back(
                    {"socket",
                     fmt::format("{} is a socket of the kind {}, which CRIU can't dump", where.text(), protocol),
                     remedy_for(protocol)});
            } else {
                find_queued(scene, where, inode, found);
            }
        }
}

}  // namespace stasis::inspect
