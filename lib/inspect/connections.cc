#include "lib/inspect/connections.h"

#include <netinet/tcp.h>

#include <array>

#include <fmt/format.h>

namespace stasis::inspect {
namespace {

/// As in ss(8).
std::string state_name(int state) {
    constexpr std::array<const char*, 13> kNames{"",           "established", "syn-sent", "syn-recv",   "fin-wait-1",
                                                 "fin-wait-2", "time-wait",   "closed",   "close-wait", "last-ack",
                                                 "listening",  "closing",     "syn-recv"};
    return kNames.at(static_cast<std::size_t>(state) < kNames.size() ? static_cast<std::size_t>(state) : 0);
}

}  // namespace

std::vector<proc::TcpSocket> connections_of(const Scene& scene) {
    std::vector<proc::TcpSocket> connections;
    for (const proc::Sockets& network : scene.networks)
        for (const proc::TcpSocket& socket : network.of_tcp)
            if (socket.state != TCP_LISTEN && socket.state != TCP_CLOSE && scene.sockets.contains(socket.inode))
                connections.push_back(socket);
    return connections;
}

std::string describe(const std::vector<proc::TcpSocket>& connections) {
    constexpr std::size_t kNamed = 3;
    std::string text = std::to_string(connections.size()) + ":";
    for (std::size_t i = 0; i < connections.size() && i < kNamed; ++i)
        text += fmt::format("{} {} to {} ({})", i == 0 ? "" : ",", connections[i].local, connections[i].remote,
                            state_name(connections[i].state));
    return text + (connections.size() > kNamed ? ", …" : "");
}

}  // namespace stasis::inspect
