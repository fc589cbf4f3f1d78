#include "lib/proc/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <sstream>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/proc/descriptors.h"
#include "lib/sys/file.h"

namespace stasis::proc {
namespace {

/// A netlink socket belongs for ever to the namespace that it was made in.
sys::UniqueFd diag_socket(pid_t pid) {
    const sys::UniqueFd own = sys::open_path("/proc/thread-self/ns/net", O_RDONLY);
    const sys::UniqueFd theirs = sys::open_path(fmt::format("/proc/{}/ns/net", pid), O_RDONLY);
    if (::setns(theirs.get(), CLONE_NEWNET) < 0) throw system_error(errno, "enter the target's network namespace");
    sys::UniqueFd diag(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    const int failure = errno;
    if (::setns(own.get(), CLONE_NEWNET) < 0) throw system_error(errno, "go back to our network namespace");
    if (!diag) throw system_error(failure, "open a sock_diag socket");
    return diag;
}

using OnMessage = std::function<void(const nlmsghdr&)>;

/// Sends one request for a dump; calls `on_message` for each answer.
template <typename Body>
void dump(int diag, const Body& body, const OnMessage& on_message) {
    struct {
        nlmsghdr header;
        Body body;
    } request{{sizeof request, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0}, body};
    if (::send(diag, &request, sizeof request, 0) < 0) throw system_error(errno, "ask sock_diag");
    std::vector<char> buffer(1 << 16);
    for (;;) {
        const ssize_t got = ::recv(diag, buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw system_error(errno, "read sock_diag's answer");
        auto left = static_cast<unsigned>(got);
        for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
             message = NLMSG_NEXT(message, left)) {
            // An error is a family that the kernel knows nothing of: there are no such sockets.
            if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) return;
            on_message(*message);
        }
    }
}

template <typename T>
T value_of(const rtattr& attribute) {
    T value{};
    std::memcpy(&value, RTA_DATA(&attribute),
                std::min(sizeof value, static_cast<std::size_t>(RTA_PAYLOAD(&attribute))));
    return value;
}

std::string unix_name(const rtattr& attribute) {
    std::string name(static_cast<const char*>(RTA_DATA(&attribute)), RTA_PAYLOAD(&attribute));
    if (name.starts_with('\0')) return "@" + name.substr(1);
    return name.substr(0, name.find('\0'));
}

UnixSocket parse_unix(const nlmsghdr& message) {
    const auto* entry = static_cast<const unix_diag_msg*>(NLMSG_DATA(&message));
    UnixSocket socket;
    socket.inode = entry->udiag_ino;
    socket.type = entry->udiag_type;
    socket.state = entry->udiag_state;
    auto left = static_cast<int>(message.nlmsg_len - NLMSG_LENGTH(sizeof *entry));
    for (const auto* attribute = reinterpret_cast<const rtattr*>(entry + 1); RTA_OK(attribute, left);
         attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == UNIX_DIAG_NAME) socket.name = unix_name(*attribute);
        if (attribute->rta_type == UNIX_DIAG_PEER) socket.peer = value_of<std::uint32_t>(*attribute);
        if (attribute->rta_type == UNIX_DIAG_ICONS) {
            std::vector<std::uint32_t> inodes(RTA_PAYLOAD(attribute) / sizeof(std::uint32_t));
            std::memcpy(inodes.data(), RTA_DATA(attribute), inodes.size() * sizeof(std::uint32_t));
            socket.waiting.assign(inodes.begin(), inodes.end());
        }
    }
    return socket;
}

std::string address_text(int family, const void* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    (void)::inet_ntop(family, address, text.data(), text.size());
    return text.data();
}

TcpSocket parse_tcp(const nlmsghdr& message) {
    const auto* entry = static_cast<const inet_diag_msg*>(NLMSG_DATA(&message));
    const int family = entry->idiag_family;
    TcpSocket socket;
    socket.inode = entry->idiag_inode;
    socket.state = entry->idiag_state;
    socket.address = address_text(family, entry->id.idiag_src);
    socket.port = ntohs(entry->id.idiag_sport);
    socket.local = endpoint(socket.address, socket.port);
    socket.remote = endpoint(address_text(family, entry->id.idiag_dst), ntohs(entry->id.idiag_dport));
    return socket;
}

/// Lines of a table in /proc/PID/net, split at blanks, without the heading.
std::vector<std::vector<std::string>> table(pid_t pid, const std::string& name) {
    std::vector<std::vector<std::string>> rows;
    std::istringstream lines(sys::read_file_if_exists(fmt::format("/proc/{}/net/{}", pid, name)).value_or(""));
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::vector<std::string>& row = rows.emplace_back();
        for (std::string field; fields >> field;) row.push_back(field);
    }
    return rows;
}

std::set<std::uint64_t> netlink_sockets_with_messages(pid_t pid) {
    // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
    constexpr std::size_t kReceived = 4;
    constexpr std::size_t kInode = 9;
    std::set<std::uint64_t> inodes;
    for (const std::vector<std::string>& row : table(pid, "netlink"))
        if (row.size() > kInode && row[kReceived] != "0") inodes.insert(std::stoull(row[kInode]));
    return inodes;
}

std::set<std::uint64_t> udp_sockets_with_unsent(pid_t pid) {
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
    constexpr std::size_t kQueues = 4;
    constexpr std::size_t kInode = 9;
    std::set<std::uint64_t> inodes;
    for (const char* name : {"udp", "udp6"})
        for (const std::vector<std::string>& row : table(pid, name))
            if (row.size() > kInode && !row[kQueues].starts_with("00000000:")) inodes.insert(std::stoull(row[kInode]));
    return inodes;
}

}  // namespace

Sockets sockets_of(pid_t pid) {
    Sockets sockets;
    const sys::UniqueFd diag = diag_socket(pid);
    unix_diag_req of_unix{};
    of_unix.sdiag_family = AF_UNIX;
    of_unix.udiag_states = ~0U;
    of_unix.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS;
    dump(diag.get(), of_unix, [&](const nlmsghdr& message) { sockets.of_unix.push_back(parse_unix(message)); });
    for (const int family : {AF_INET, AF_INET6}) {
        inet_diag_req_v2 of_tcp{};
        of_tcp.sdiag_family = static_cast<std::uint8_t>(family);
        of_tcp.sdiag_protocol = IPPROTO_TCP;
        of_tcp.idiag_states = ~(1U << TCP_TIME_WAIT);
        dump(diag.get(), of_tcp, [&](const nlmsghdr& message) { sockets.of_tcp.push_back(parse_tcp(message)); });
    }
    sockets.netlink_unread = netlink_sockets_with_messages(pid);
    sockets.udp_unsent = udp_sockets_with_unsent(pid);
    return sockets;
}

std::string endpoint(const std::string& address, std::uint16_t port) {
    const bool v6 = address.find(':') != std::string::npos;
    return v6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

bool TcpSocket::listens() const { return state == TCP_LISTEN; }

bool TcpSocket::connected() const {
    constexpr int kNewSynReceived = 12;  // include/net/tcp_states.h
    return state != TCP_LISTEN && state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_TIME_WAIT &&
           state != TCP_CLOSE && state != kNewSynReceived;
}

std::vector<std::uint64_t> socket_inodes(pid_t pid) {
    std::vector<std::uint64_t> inodes;
    for (const Descriptor& descriptor : descriptors(pid))
        if (descriptor.target.starts_with("socket:")) inodes.push_back(inode_in(descriptor.target));
    return inodes;
}

}  // namespace stasis::proc
