#include "lib/ops/settle.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "lib/base/time.h"
#include "lib/sys/child.h"

namespace stasis::ops {
namespace {

/// How long a task may take to go on after its tracer died.
constexpr auto kSettleTime = std::chrono::seconds(5);

/// The id that CRIU gave its run, from its log; its firewall table is `inet CRIU-<id>`.
std::optional<std::string> run_id(const sys::Path& log) {
    constexpr std::string_view kMark = "CRIU run id = ";
    const std::string text = sys::read_file_if_exists(log).value_or("");
    const std::size_t at = text.find(kMark);
    if (at == std::string::npos) return std::nullopt;
    const std::size_t begin = at + kMark.size();
    return text.substr(begin, text.find('\n', begin) - begin);
}

/// Removes the table with which this run of CRIU locked the network, where it is still there.
void unlock_network(int network, const sys::Path& log) {
    const std::optional<std::string> id = run_id(log);
    if (!id || network < 0 || !has_nftables()) return;
    sys::Command remove;
    remove.args = {"nsenter", "--net=/proc/self/fd/" + std::to_string(network), "nft",
                   "delete",  "table",                                           "inet",
                   "CRIU-" + *id};
    remove.descriptors = {{network, network}};
    (void)sys::run(remove);  // it fails where there is nothing to remove
}

/// Thaws a cgroup v1 or v2 freezer; a missing one is none to thaw.
void thaw(const sys::Path& freezer) {
    constexpr std::array<std::pair<const char*, const char*>, 2> kSwitches{
        {{"freezer.state", "THAWED"}, {"cgroup.freeze", "0"}}};
    for (const auto& [file, value] : kSwitches) {
        const sys::UniqueFd fd(::open((freezer / file).c_str(), O_WRONLY | O_CLOEXEC));
        if (fd) sys::write_all(fd.get(), value, file);
    }
}

bool any_stopped(const proc::Identity& init) {
    const std::vector<proc::Stat> tree = proc::tree_of(init.pid, proc::all_processes());
    return std::any_of(tree.begin(), tree.end(), [](const proc::Stat& task) { return task.state == 't'; });
}

}  // namespace

bool has_nftables() {
    constexpr std::array<const char*, 3> kFolders{"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"};
    return std::any_of(kFolders.begin(), kFolders.end(), [](const char* path) { return ::access(path, X_OK) == 0; });
}

Settlement::Settlement(const runtime::Description& target)
    : init_(target.init),
      was_paused_(target.paused),
      freezer_(target.freezer),
      network_(::open(("/proc/" + std::to_string(init_.pid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC)) {}

bool Settlement::settle(const sys::Path& log) const {
    unlock_network(network_.get(), log);
    if (!was_paused_ && !freezer_.empty()) thaw(freezer_);
    // The end of a tracer lets its tasks go on by itself; it only takes a moment.
    const auto end = Clock::now() + kSettleTime;
    while (any_stopped(init_)) {
        if (Clock::now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return proc::is_alive(init_);
}

}  // namespace stasis::ops
