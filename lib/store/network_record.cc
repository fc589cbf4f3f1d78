#include "lib/store/network_record.h"

#include "lib/store/percent.h"

namespace stasis::store {
namespace {

// What the kernel lets a device be called need not be UTF-8; a route names devices.
Json encode_all(const std::vector<std::string>& texts) {
    Json list = Json::array();
    for (const std::string& text : texts) list.push_back(encode_path(text));
    return list;
}

std::vector<std::string> decode_all(const Json& list) {
    std::vector<std::string> texts;
    for (const Json& text : list) texts.push_back(decode_path(text));
    return texts;
}

Json devices_to_json(const std::vector<NetworkDevice>& devices) {
    Json list = Json::array();
    for (const NetworkDevice& device : devices)
        list.push_back({{"name", encode_path(device.name)},
                        {"kind", device.kind},
                        {"mac", device.mac},
                        {"index", device.index},
                        {"mtu", device.mtu},
                        {"up", device.up},
                        {"addresses", encode_all(device.addresses)},
                        {"routes", encode_all(device.routes)},
                        {"peer", encode_path(device.peer)},
                        {"master", encode_path(device.master)}});
    return list;
}

std::vector<NetworkDevice> devices_from_json(const Json& list) {
    std::vector<NetworkDevice> devices;
    for (const Json& json : list)
        devices.push_back({decode_path(json.at("name")), json.at("kind"), json.at("mac"), json.at("index"),
                           json.at("mtu"), json.at("up"), decode_all(json.at("addresses")),
                           decode_all(json.at("routes")), decode_path(json.at("peer")),
                           decode_path(json.at("master"))});
    return devices;
}

}  // namespace

Json network_to_json(const NetworkRecord& network) {
    return {{"inside", devices_to_json(network.inside)},
            {"outside", devices_to_json(network.outside)},
            {"lost", encode_all(network.lost)}};
}

NetworkRecord network_from_json(const Json& json) {
    return {devices_from_json(json.at("inside")), devices_from_json(json.at("outside")), decode_all(json.at("lost"))};
}

}  // namespace stasis::store
