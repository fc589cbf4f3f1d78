#include "lib/runtime/podman_network.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/proc/in_network.h"

namespace stasis::runtime {
namespace {

/// Names of the interfaces of the calling thread's network namespace by their MAC addresses.
std::map<std::string, std::string> interfaces_here() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) < 0) throw system_error(errno, "list network interfaces");
    std::map<std::string, std::string> names;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_PACKET) continue;
        const auto* link = reinterpret_cast<const sockaddr_ll*>(entry->ifa_addr);
        if (link->sll_halen != 6) continue;
        const unsigned char* mac = link->sll_addr;
        names[fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4],
                          mac[5])] = entry->ifa_name;
    }
    ::freeifaddrs(list);
    return names;
}

void add_subnet(Json& subnets, const std::string& address, int prefix, const std::string& gateway) {
    if (address.empty()) return;
    Json subnet{{"ipnet", address + "/" + std::to_string(prefix)}};
    if (!gateway.empty()) subnet["gateway"] = gateway;
    subnets.push_back(std::move(subnet));
}

}  // namespace

std::string network_status(const Json& known, const sys::Path& path) {
    std::map<std::string, std::string> interfaces;
    proc::in_network(sys::open_path(path, O_RDONLY).get(), [&] { interfaces = interfaces_here(); });
    Json status = Json::object();
    const Json networks = known.value("/NetworkSettings/Networks"_json_pointer, Json::object());
    for (const auto& [network, there] : networks.items()) {
        const std::string mac = there.value("MacAddress", "");
        const auto interface = interfaces.find(mac);
        if (interface == interfaces.end()) continue;
        Json subnets = Json::array();
        add_subnet(subnets, there.value("IPAddress", ""), there.value("IPPrefixLen", 0), there.value("Gateway", ""));
        add_subnet(subnets, there.value("GlobalIPv6Address", ""), there.value("GlobalIPv6PrefixLen", 0),
                   there.value("IPv6Gateway", ""));
        status[network] = {{"interfaces", {{interface->second, {{"mac_address", mac}, {"subnets", subnets}}}}}};
    }
    return status.dump();
}

}  // namespace stasis::runtime
