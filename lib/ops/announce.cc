#include "lib/ops/announce.h"

#include <fcntl.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/proc/in_network.h"
#include "lib/sys/child.h"

namespace stasis::ops {
namespace {

struct Device {
    std::string name;
    std::string mac;
};

/// Of these kinds some never ask for an address (dummy, ipvlan in its modes L3 and L3S), and must not begin to.
bool has_neighbours(const Json& device) {
    const std::string kind = device.value("/linkinfo/info_kind"_json_pointer, "");
    return kind != "dummy" && kind != "ipvlan";
}

void for_each_device(const sys::Path& network, const std::function<void(const Device&)>& act) {
    const sys::UniqueFd there = sys::open_path(network, O_RDONLY);
    proc::in_network(there.get(), [&] {
        for (const Json& json : Json::parse(sys::ask({"ip", "-json", "-details", "link", "show", "up"})))
            if (json.value("link_type", "") == "ether" && has_neighbours(json))
                act({json.at("ifname"), json.at("address")});
    });
}

void set_link(const Device& device, const std::string& what, const std::string& value) {
    (void)sys::ask({"ip", "link", "set", "dev", device.name, what, value});
}

/// A setting of the network namespace in which this thread is; as it was before, when this ends. One that the kernel
/// does not have (IPv6 is off) stays so.
class Setting {
  public:
    explicit Setting(sys::Path path) : path_(std::move(path)), before_(sys::read_file_if_exists(path_)) {
        if (before_) write("1");
    }
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;
    ~Setting() {
        try {
            if (before_) write(*before_);
        } catch (const Error&) {
            // It is more than was asked for that the device tells its neighbours later as well.
        }
    }

  private:
    void write(const std::string& value) const {
        sys::write_all(sys::open_path(path_, O_WRONLY).get(), value, path_.native());
    }

    sys::Path path_;
    std::optional<std::string> before_;
};

}  // namespace

void fall_silent(const sys::Path& network) {
    for_each_device(network, [](const Device& device) { set_link(device, "arp", "off"); });
}

void speak_again(const sys::Path& network) {
    for_each_device(network, [](const Device& device) { set_link(device, "arp", "on"); });
}

void announce(const sys::Path& network) {
    for_each_device(network, [](const Device& device) {
        set_link(device, "arp", "on");
        const Setting v4("/proc/sys/net/ipv4/conf/" + device.name + "/arp_notify");
        const Setting v6("/proc/sys/net/ipv6/conf/" + device.name + "/ndisc_notify");
        set_link(device, "address", device.mac);
    });
}

}  // namespace stasis::ops
