#include "lib/ops/recreate_network.h"

#include <net/if.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/ops/record_network.h"
#include "lib/sys/child.h"
#include "lib/sys/lock.h"

namespace stasis::ops {
namespace {

using store::NetworkDevice;
using Words = std::vector<std::string>;

constexpr const char* kLock = "/run/stasis-network.lock";

sys::UniqueFd lock_networks() {
    if (std::optional<sys::UniqueFd> lock = sys::try_lock(kLock, true)) return std::move(*lock);
    return sys::wait_for_lock(kLock);
}

Words operator+(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

Words split(const std::string& text) {
    std::istringstream stream(text);
    Words words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

void ip(const Words& words) {
    sys::Command command;
    command.args = Words{"ip"} + words;
    (void)sys::run_or_throw(command);
}

bool exists(const std::string& device) { return ::if_nametoindex(device.c_str()) != 0; }

/// iproute2 makes namespaces in one folder alone, which it shares with all mount namespaces.
bool is_iproutes(const sys::Path& path) {
    const sys::Path folder = path.parent_path();
    return (folder == "/run/netns" || folder == "/var/run/netns") && !path.filename().native().starts_with('-');
}

[[noreturn]] void refuse(const sys::Path& path, const std::string& why) {
    throw Error(Kind::damaged, "the network namespace '" + path.string() + "' can't be made again: " + why)
        .hint("create it by hand, with its addresses, then restore again");
}

}  // namespace

RecreatedNetwork::RecreatedNetwork(const store::Manifest& manifest, Progress& progress)
    : path_(manifest.lasting_network),
      name_(path_.filename()),
      record_(manifest.network),
      progress_(progress),
      lock_(lock_networks()) {
    if (std::filesystem::exists(path_)) return;
    if (record_.empty()) refuse(path_, "the checkpoint does not say what was in it");
    if (!record_.lost.empty()) refuse(path_, fmt::format("it had {}", fmt::join(record_.lost, ", ")));
    if (!is_iproutes(path_)) refuse(path_, "only those in /run/netns can be");
    for (const NetworkDevice& device : record_.outside)
        if (device.kind == "veth" && exists(device.name))
            refuse(path_, "'" + device.name + "', which was the host's end of its veth, is another device now");
    progress_.step("making the network namespace '" + path_.string() + "' again");
    try {
        make();
    } catch (Error& error) {
        undo();
        throw error.context("cannot make the network namespace '" + path_.string() + "' again");
    }
}

RecreatedNetwork::~RecreatedNetwork() {
    if (made_ && lock_) undo();
}

void RecreatedNetwork::make() {
    ip({"netns", "add", name_});
    made_ = true;
    for (const NetworkDevice& device : record_.outside)
        if (device.kind == "bridge" && !exists(device.name)) make_bridge(device);
    for (const NetworkDevice& device : record_.outside)
        if (device.kind == "veth") make_veth(device);
    for (const NetworkDevice& device : record_.inside) make_inside(device);
    for (const NetworkDevice& device : record_.inside) add_routes({"-n", name_}, device.routes);
}

void RecreatedNetwork::make_bridge(const NetworkDevice& device) {
    ip({"link", "add", "name", device.name, "address", device.mac, "mtu", std::to_string(device.mtu), "type",
        "bridge"});
    own_bridges_.push_back(device.name);
    for (const std::string& address : device.addresses)
        ip(Words{"address", "add"} + split(address) + Words{"dev", device.name});
    if (!device.up) return;
    ip({"link", "set", "dev", device.name, "up"});
    add_routes({}, device.routes);
}

void RecreatedNetwork::make_veth(const NetworkDevice& outside) {
    const auto inside = std::find_if(record_.inside.begin(), record_.inside.end(),
                                     [&](const NetworkDevice& device) { return device.name == outside.peer; });
    ip({"link", "add", "name", outside.name, "address", outside.mac, "mtu", std::to_string(outside.mtu), "type", "veth",
        "peer", "name", inside->name, "index", std::to_string(inside->index), "address", inside->mac, "netns", name_});
    own_ends_.push_back(outside.name);
    if (!outside.master.empty()) ip({"link", "set", "dev", outside.name, "master", outside.master});
    for (const std::string& address : outside.addresses)
        ip(Words{"address", "add"} + split(address) + Words{"dev", outside.name});
}

void RecreatedNetwork::make_inside(const NetworkDevice& device) {
    const Words in_it{"-n", name_};
    ip(in_it + Words{"link", "set", "dev", device.name, "mtu", std::to_string(device.mtu)});
    for (const std::string& address : device.addresses)
        ip(in_it + Words{"address", "add"} + split(address) + Words{"dev", device.name});
    if (device.up) ip(in_it + Words{"link", "set", "dev", device.name, "up"});
}

void RecreatedNetwork::add_routes(const Words& prefix, const std::vector<std::string>& routes) {
    for (const std::string& route : routes) {
        Words family;
        if (route.find(':') != std::string::npos) family = {"-6"};
        ip(family + prefix + Words{"route", "replace"} + split(route));
    }
}

void RecreatedNetwork::connect() {
    const sys::UniqueFd lock = std::move(lock_);  // whatever comes, the target has it now
    const store::NetworkRecord now = record_network(path_);
    for (const NetworkDevice& device : record_.outside) {
        const bool is_there = std::any_of(now.outside.begin(), now.outside.end(), [&](const NetworkDevice& other) {
            return other.kind == "veth" && other.name == device.name && other.peer == device.peer;
        });
        if (!is_there || !device.up) continue;
        ip({"link", "set", "dev", device.name, "up"});
        add_routes({}, device.routes);
    }
}

void RecreatedNetwork::undo() {
    const auto try_to = [&](const Words& words) {
        try {
            ip(words);
        } catch (const Error& error) {
            progress_.warn(error.message());
        }
    };
    for (const std::string& device : own_ends_) try_to({"link", "delete", "dev", device});
    for (const std::string& bridge : own_bridges_)
        if (sys::list_directory("/sys/class/net/" + bridge + "/brif").empty())
            try_to({"link", "delete", "dev", bridge});
    if (made_) try_to({"netns", "delete", name_});
}

}  // namespace stasis::ops
