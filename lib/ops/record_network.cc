#include "lib/ops/record_network.h"

#include <fcntl.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/proc/in_network.h"
#include "lib/proc/network.h"
#include "lib/sys/child.h"

namespace stasis::ops {
namespace {

using store::NetworkDevice;
using store::NetworkRecord;

Json show_devices() { return Json::parse(sys::ask({"ip", "-json", "-details", "address", "show"})); }

std::string kind_of(const Json& json) {
    if (json.value("link_type", "") == "loopback") return "loopback";
    return json.value("/linkinfo/info_kind"_json_pointer, "");
}

/// The words for `ip address add`; "" for an address that comes by itself with the device.
std::string address_of(const Json& json) {
    const std::string local = json.value("local", "");
    const bool is_v6 = json.value("family", "") == "inet6";
    if (json.value("scope", "") == "host" || (is_v6 && json.value("scope", "") == "link")) return "";
    const std::string prefix = fmt::format("/{}", json.at("prefixlen").get<int>());
    std::string words =
        json.contains("address") ? local + " peer " + json.at("address").get<std::string>() + prefix : local + prefix;
    if (json.contains("broadcast")) words += " broadcast " + json.at("broadcast").get<std::string>();
    if (!is_v6) words += " scope " + json.at("scope").get<std::string>();
    // Another host can't have taken it: it was this one's until a moment ago, and CRIU binds to it at once.
    return is_v6 ? words + " nodad" : words;
}

NetworkDevice device_from(const Json& json) {
    NetworkDevice device;
    device.name = json.at("ifname");
    device.kind = kind_of(json);
    device.mac = device.kind == "loopback" ? "" : json.value("address", "");
    device.index = json.at("ifindex");
    device.mtu = json.at("mtu");
    const Json flags = json.at("flags");
    device.up = std::find(flags.begin(), flags.end(), "UP") != flags.end();
    device.master = json.value("master", "");
    for (const Json& address : json.value("addr_info", Json::array()))
        if (const std::string words = address_of(address); !words.empty()) device.addresses.push_back(words);
    return device;
}

/// A line of `ip route show` as words for `ip route add`; "" for a route that comes with an address.
std::string route_of(const std::string& line, const std::string& device) {
    if (line.find(" proto kernel") != std::string::npos) return "";
    std::istringstream words(line);
    std::string route;
    bool named = false;
    for (std::string word; words >> word;) {
        // The state that it is in, which is nothing to be set.
        if (word == "linkdown" || word == "dead" || word == "offload") continue;
        if (word == "expires") {
            words >> word;
            continue;
        }
        named = named || word == "dev";
        route += (route.empty() ? "" : " ") + word;
    }
    return named ? route : route + " dev " + device;
}

/// Those to a neighbour first: they lead to the gateways of the others.
std::vector<std::string> routes_of(const std::string& device) {
    std::vector<std::string> routes;
    for (const char* family : {"-4", "-6"}) {
        std::istringstream lines(sys::ask({"ip", family, "route", "show", "dev", device}));
        for (std::string line; std::getline(lines, line);)
            if (const std::string route = route_of(line, device); !route.empty()) routes.push_back(route);
    }
    std::stable_partition(routes.begin(), routes.end(),
                          [](const std::string& route) { return route.find(" via ") == std::string::npos; });
    return routes;
}

/// What leads nowhere or over several devices is shown for none of them.
void add_routes_without_device(NetworkRecord& record) {
    for (const char* family : {"-4", "-6"}) {
        std::istringstream lines(sys::ask({"ip", family, "-oneline", "route", "show"}));
        for (std::string line; std::getline(lines, line);)
            if (line.find(" dev ") == std::string::npos || line.find("nexthop") != std::string::npos)
                record.lost.push_back("the route '" + line.substr(0, line.find_last_not_of(' ') + 1) + "'");
    }
}

void record_inside(NetworkRecord& record, std::vector<std::pair<int, std::string>>& veths) {
    for (const Json& json : show_devices()) {
        NetworkDevice device = device_from(json);
        const bool known = device.kind == "loopback" || device.kind == "veth";
        // A namespace is born with devices of some kinds, all of them down (tunl0, sit0 and others).
        if (!known && !device.up) continue;
        if (!known)
            record.lost.push_back(fmt::format("the device '{}' of kind '{}'", device.name,
                                              device.kind.empty() ? json.value("link_type", "") : device.kind));
        if (device.kind == "veth") veths.emplace_back(json.value("link_index", 0), device.name);
        if (!known) continue;
        device.routes = routes_of(device.name);
        record.inside.push_back(std::move(device));
    }
    add_routes_without_device(record);
}

void record_outside(NetworkRecord& record, const std::vector<std::pair<int, std::string>>& veths, int network) {
    if (veths.empty()) return;
    const std::optional<int> number = proc::network_number(network);
    const Json devices = show_devices();
    std::vector<NetworkDevice> bridges;
    const auto add_bridge = [&](const std::string& name) {
        const auto has_name = [&](const NetworkDevice& device) { return device.name == name; };
        if (name.empty() || std::any_of(bridges.begin(), bridges.end(), has_name)) return;
        for (const Json& json : devices)
            if (json.at("ifname") == name) bridges.push_back(device_from(json));
        bridges.back().routes = routes_of(name);
        if (bridges.back().kind != "bridge")
            record.lost.push_back(fmt::format("'{}', of kind '{}', in which its veth is", name, bridges.back().kind));
    };
    for (const auto& [index, inside] : veths) {
        const auto is_it = [&, index = index](const Json& json) {
            return number && json.at("ifindex") == index && json.value("link_netnsid", -1) == *number;
        };
        const auto found = std::find_if(devices.begin(), devices.end(), is_it);
        if (found == devices.end()) {
            record.lost.push_back("the other end of '" + inside + "', which is not in the host's network");
            continue;
        }
        NetworkDevice& device = record.outside.emplace_back(device_from(*found));
        device.peer = inside;
        device.routes = routes_of(device.name);
        add_bridge(device.master);
    }
    record.outside.insert(record.outside.begin(), bridges.begin(), bridges.end());
}

}  // namespace

bool is_network_by_path(const sys::Path& network) { return !network.empty() && network != "/proc/self/ns/net"; }

store::NetworkRecord record_network(const sys::Path& network) {
    const sys::UniqueFd there = sys::open_path(network, O_RDONLY);
    NetworkRecord record;
    std::vector<std::pair<int, std::string>> veths;  // by the index of their other ends
    try {
        proc::in_network(there.get(), [&] { record_inside(record, veths); });
        record_outside(record, veths, there.get());
    } catch (const Json::exception&) {
        throw Error(Kind::failed, "what `ip` says of '" + network.string() + "' can't be read");
    }
    return record;
}

}  // namespace stasis::ops
