#pragma once

#include "lib/inspect/scene.h"

namespace stasis::inspect {

/// The tree's TCP sockets with a peer.
std::vector<proc::TcpSocket> connections_of(const Scene& scene);

/// "2: 127.0.0.1:6379 to 127.0.0.1:41234 (established), …", the first few of them.
std::string describe(const std::vector<proc::TcpSocket>& connections);

}  // namespace stasis::inspect
