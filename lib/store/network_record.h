#pragma once

#include <string>
#include <vector>

#include "lib/base/json.h"

namespace stasis::store {

/// A network device, as far as `ip` can make it again.
struct NetworkDevice {
    std::string name;
    std::string kind;  ///< "loopback", "veth" or "bridge"
    std::string mac;
    int index = 0;  ///< in its namespace
    int mtu = 0;
    bool up = false;
    std::vector<std::string> addresses;  ///< words for `ip address add`
    std::vector<std::string> routes;     ///< words for `ip route add`, but for those that come with the addresses
    std::string peer;                    ///< of the host's end of a veth: the device at its other end
    std::string master;                  ///< the bridge in which it is
};

/// What is in a network namespace that was made before its container, and what of the host belongs to it.
struct NetworkRecord {
    std::vector<NetworkDevice> inside;
    std::vector<NetworkDevice> outside;  ///< bridges, then the host's ends of veths
    std::vector<std::string> lost;       ///< what can't be made again

    bool empty() const { return inside.empty() && lost.empty(); }
};

/// The manifest's key "network" (stasis-store(5)).
Json network_to_json(const NetworkRecord& network);

/// Reads what network_to_json wrote; throws nlohmann's exceptions for anything else.
NetworkRecord network_from_json(const Json& json);

}  // namespace stasis::store
