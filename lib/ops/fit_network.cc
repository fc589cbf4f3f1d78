#include "lib/ops/fit_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/proc/in_network.h"
#include "lib/proc/sockets.h"

namespace stasis::ops {
namespace {

/// Binds a TCP socket and lets it go again; 0 or the errno.
int try_to_bind(const std::string& address, std::uint16_t port, bool only_ipv6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    const bool is_v4 = ::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1;
    if (!is_v4 && ::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) != 1) return EINVAL;
    const sys::UniqueFd socket(::socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return errno;
    const int yes = 1;
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    if (only_ipv6) (void)::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    const int bound = is_v4 ? ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4)
                            : ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
    return bound < 0 ? errno : 0;
}

/// Has an interface this address? An IPv6 address can't be bound to while it is tentative.
bool is_configured(const std::string& address) {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) < 0) return false;
    bool found = false;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET6) continue;
        std::array<char, INET6_ADDRSTRLEN> text{};
        (void)::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr, text.data(),
                          text.size());
        found = found || address == text.data();
    }
    ::freeifaddrs(list);
    return found;
}

bool any_interface_is_up() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) < 0) return false;
    bool found = false;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next)
        found = found || (entry->ifa_flags & IFF_UP) != 0;
    ::freeifaddrs(list);
    return found;
}

/// While nothing is up in a new namespace it knows no address of its own, and any can be bound to (Linux 6.18).
bool has_address(const std::string& address) {
    return (any_interface_is_up() && try_to_bind(address, 0, false) != EADDRNOTAVAIL) || is_configured(address);
}

bool holds_any(pid_t pid, const std::set<std::uint64_t>& sockets) {
    const std::vector<std::uint64_t> inodes = proc::socket_inodes(pid);
    return std::any_of(inodes.begin(), inodes.end(), [&](std::uint64_t inode) { return sockets.contains(inode); });
}

std::string holder_of(std::uint16_t port, const std::vector<proc::TcpSocket>& sockets) {
    std::set<std::uint64_t> listening;
    for (const proc::TcpSocket& socket : sockets)
        if (socket.port == port && socket.inode != 0) listening.insert(socket.inode);
    for (const proc::Stat& process : proc::all_processes())
        if (holds_any(process.id.pid, listening)) return fmt::format("'{}' (pid {})", process.command, process.id.pid);
    return "another socket";
}

/// Ports on which the processes listen.
std::set<std::uint16_t> ports_of(const std::vector<proc::Stat>& processes,
                                 const std::vector<proc::TcpSocket>& sockets) {
    std::set<std::uint64_t> own;
    for (const proc::Stat& process : processes)
        for (const std::uint64_t inode : proc::socket_inodes(process.id.pid)) own.insert(inode);
    std::set<std::uint16_t> ports;
    for (const proc::TcpSocket& socket : sockets)
        if (socket.listens() && own.contains(socket.inode)) ports.insert(socket.port);
    return ports;
}

void compare_here(const Expectations& expected, const std::vector<proc::Stat>& replaced, Fit& fit) {
    std::set<std::string> addresses(expected.addresses.begin(), expected.addresses.end());
    for (const ExpectedListener& listener : expected.listeners) addresses.insert(listener.address);
    for (const std::string& address : addresses)
        if (!has_address(address))
            fit.misfits.push_back({MisfitKind::addresses,
                                   "the address " + address + " of its sockets is not in its network",
                                   "give it to an interface there"});

    const std::vector<proc::TcpSocket> sockets = proc::sockets_of(::gettid()).of_tcp;
    const std::set<std::uint16_t> set_free = ports_of(replaced, sockets);
    for (const ExpectedListener& listener : expected.listeners) {
        if (set_free.contains(listener.port)) continue;
        // Who listens on the other wildcard too has made this one of IPv6 alone.
        const bool only_ipv6 =
            listener.address == "::" && std::count(expected.listeners.begin(), expected.listeners.end(),
                                                   ExpectedListener{"0.0.0.0", listener.port}) > 0;
        if (try_to_bind(listener.address, listener.port, only_ipv6) == EADDRINUSE)
            fit.misfits.push_back(
                {MisfitKind::addresses,
                 fmt::format("{}, where it listens, is taken by {}", proc::endpoint(listener.address, listener.port),
                             holder_of(listener.port, sockets)),
                 "end that process"});
    }
}

}  // namespace

void compare_network(const Expectations& expected, const sys::Path& network, const std::vector<proc::Stat>& replaced,
                     Fit& fit) {
    if (expected.addresses.empty() && expected.listeners.empty()) return;
    const sys::UniqueFd there(::open(network.c_str(), O_RDONLY | O_CLOEXEC));
    if (there) proc::in_network(there.get(), [&] { compare_here(expected, replaced, fit); });
}

}  // namespace stasis::ops
