#include "lib/proc/network.h"

#include <sstream>

#include "lib/sys/file.h"

namespace stasis::proc {

std::set<std::string> network_devices(pid_t pid) {
    const sys::Path net = "/proc/" + std::to_string(pid) + "/net";
    std::set<std::string> devices;
    std::string word;
    // A heading, then lines that begin with the device.
    std::istringstream routes(sys::read_file_if_exists(net / "route").value_or(""));
    std::getline(routes, word);
    for (std::string line; std::getline(routes, line);)
        if (std::istringstream(line) >> word) devices.insert(word);
    // Address, four numbers, the device.
    std::istringstream addresses(sys::read_file_if_exists(net / "if_inet6").value_or(""));
    while (addresses >> word >> word >> word >> word >> word >> word) devices.insert(word);
    devices.erase("lo");
    return devices;
}

}  // namespace stasis::proc
