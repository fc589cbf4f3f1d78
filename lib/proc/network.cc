#include "lib/proc/network.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "lib/base/error.h"
#include "lib/sys/fd.h"
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

std::optional<int> network_number(int network) {
    struct {
        nlmsghdr header;
        rtgenmsg message;
        std::array<char, 3> padding;
        rtattr attribute;
        int descriptor;
    } request{};
    static_assert(offsetof(decltype(request), attribute) == NLMSG_LENGTH(NLMSG_ALIGN(sizeof(rtgenmsg))));
    request.header = {sizeof request, RTM_GETNSID, NLM_F_REQUEST, 1, 0};
    request.attribute = {RTA_LENGTH(sizeof(int)), NETNSA_FD};
    request.descriptor = network;
    const sys::UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    alignas(nlmsghdr) std::array<char, 4096> answer{};
    ssize_t length = -1;
    if (socket && ::send(socket.get(), &request, sizeof request, 0) == sizeof request)
        length = ::recv(socket.get(), answer.data(), answer.size(), 0);
    if (length < 0) throw system_error(errno, "ask for the number of a network namespace");
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (!NLMSG_OK(header, static_cast<std::size_t>(length)) || header->nlmsg_type != RTM_NEWNSID) return std::nullopt;
    int rest = static_cast<int>(NLMSG_PAYLOAD(header, NLMSG_ALIGN(sizeof(rtgenmsg))));
    const auto* attribute =
        reinterpret_cast<const rtattr*>(static_cast<const char*>(NLMSG_DATA(header)) + NLMSG_ALIGN(sizeof(rtgenmsg)));
    for (; RTA_OK(attribute, rest); attribute = RTA_NEXT(attribute, rest)) {
        int number = NETNSA_NSID_NOT_ASSIGNED;
        if (attribute->rta_type != NETNSA_NSID) continue;
        std::memcpy(&number, RTA_DATA(attribute), sizeof number);
        if (number >= 0) return number;
    }
    return std::nullopt;
}

}  // namespace stasis::proc
