#include "lib/ops/network_lock.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "lib/sys/child.h"

namespace stasis::ops {
namespace {

constexpr std::string_view kTablePrefix = "CRIU-";

/// The name of the table of a run is cut to the size of a buffer in CRIU (26 characters in 4.2.1).
constexpr std::size_t kShortestName = 20;

/// The ids that CRIU gave its run, from its log. There are two in 4.2.1: swrk draws one when it
/// starts and another for the request, and only the latter names the table.
std::vector<std::string> run_ids(const sys::Path& log) {
    constexpr std::string_view kMark = "CRIU run id = ";
    const std::string text = sys::read_file_if_exists(log).value_or("");
    std::vector<std::string> ids;
    for (std::size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
        at += kMark.size();
        ids.push_back(text.substr(at, text.find('\n', at) - at));
    }
    return ids;
}

/// May the table be one of a run with these ids?
bool is_table_of(const std::string& name, const std::vector<std::string>& ids) {
    return name.size() >= kShortestName && std::any_of(ids.begin(), ids.end(), [&](const std::string& id) {
               return (std::string(kTablePrefix) + id).starts_with(name);
           });
}

sys::RunResult nft(int network, const std::vector<std::string>& words) {
    sys::Command command;
    command.args = {"nsenter", "--net=/proc/self/fd/" + std::to_string(network), "nft"};
    command.args.insert(command.args.end(), words.begin(), words.end());
    command.descriptors = {{network, network}};
    return sys::run(command);
}

}  // namespace

bool has_nftables() {
    constexpr std::array<const char*, 3> kPlaces{"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"};
    return std::any_of(kPlaces.begin(), kPlaces.end(), [](const char* path) { return ::access(path, X_OK) == 0; });
}

void unlock_network(int network_namespace, const sys::Path& log) {
    const std::vector<std::string> ids = run_ids(log);
    if (ids.empty() || !has_nftables()) return;
    std::istringstream tables(nft(network_namespace, {"list", "tables"}).out);
    for (std::string word, family, name; tables >> word >> family >> name;)
        if (is_table_of(name, ids)) (void)nft(network_namespace, {"delete", "table", family, name});
}

}  // namespace stasis::ops
