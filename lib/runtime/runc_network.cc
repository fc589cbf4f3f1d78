#include "lib/runtime/runc_network.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <iterator>

#include "lib/base/error.h"
#include "lib/runtime/firewall.h"

namespace stasis::runtime {
namespace {

constexpr const char* kHook = "prepare-network";

void bring_loopback_up() {
    const sys::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP;
    if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) < 0)
        throw system_error(errno, "bring the container's loopback interface up");
}

void set_network_sysctls(const Json& config) {
    const Json sysctls = config.value("/linux/sysctl"_json_pointer, Json::object());
    for (const auto& [name, value] : sysctls.items()) {
        if (!name.starts_with("net.")) continue;
        std::string path = "/proc/sys/" + name;
        std::replace(path.begin(), path.end(), '.', '/');
        const sys::UniqueFd file = sys::open_path(path, O_WRONLY);
        sys::write_all(file.get(), value.get<std::string>(), path);
    }
}

}  // namespace

Json without_network_hook(Json config) {
    const auto hooks = "/hooks/createRuntime"_json_pointer;
    if (!config.contains(hooks)) return config;
    Json others = Json::array();
    for (const Json& hook : config.at(hooks)) {
        const Json words = hook.value("args", Json::array());
        if (words.size() < 2 || words[0] != "stasis" || words[1] != kHook) others.push_back(hook);
    }
    config[hooks] = others;
    return config;
}

Json with_network_hook(Json config, const RestorePlan& plan) {
    config = without_network_hook(std::move(config));
    config["hooks"]["createRuntime"].push_back({{"path", sys::own_path()},
                                                {"args", {"stasis", kHook, plan.images.native()}},
                                                {"env", Json::array({"PATH=" + plan.search_path()})}});
    return config;
}

void prepare_network(const Path& images) {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    const Json state = Json::parse(text);
    const std::string pid = std::to_string(state.at("pid").get<int>());
    const Json config = Json::parse(sys::read_file(sys::Path(state.at("bundle").get<std::string>()) / "config.json"));
    const sys::UniqueFd network = sys::open_path("/proc/" + pid + "/ns/net", O_RDONLY);
    if (::setns(network.get(), CLONE_NEWNET) < 0) throw system_error(errno, "enter the container's network namespace");
    bring_loopback_up();
    set_network_sysctls(config);
    restore_firewall(images);
}

}  // namespace stasis::runtime
