#include "lib/ops/settle.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>

#include "lib/base/time.h"
#include "lib/ops/network_lock.h"

namespace stasis::ops {
namespace {

/// How long a task may take to go on after its tracer died.
constexpr auto kSettleTime = std::chrono::seconds(5);

/// A CRIU that is killed while it has a task do something on its behalf leaves it with CRIU's registers: it
/// goes on, and crashes (seen with 4.2.1). That takes a moment.
constexpr auto kAftermath = std::chrono::milliseconds(200);

/// Freezes or thaws by a cgroup v1 or v2 freezer.
void set_freezer(const sys::Path& freezer, bool frozen) {
    const std::array<std::pair<const char*, const char*>, 2> switches{
        {{"freezer.state", frozen ? "FROZEN" : "THAWED"}, {"cgroup.freeze", frozen ? "1" : "0"}}};
    for (const auto& [file, value] : switches) {
        const sys::UniqueFd fd(::open((freezer / file).c_str(), O_WRONLY | O_CLOEXEC));
        // A freezer that goes away with its container has nothing to freeze or thaw.
        if (fd) (void)!::write(fd.get(), value, std::strlen(value));
    }
}

bool any_stopped(const proc::Identity& init) {
    const std::vector<proc::Stat> tree = proc::tree_of(init.pid, proc::all_processes());
    return std::any_of(tree.begin(), tree.end(), [](const proc::Stat& task) { return task.state == 't'; });
}

}  // namespace

Settlement::Settlement(const runtime::Description& target)
    : init_(target.init),
      was_paused_(target.paused),
      freezer_(target.freezer),
      network_(::open(("/proc/" + std::to_string(init_.pid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC)) {}

bool Settlement::settle(const sys::Path& log, bool sealed) const {
    if (!was_paused_ && !freezer_.empty()) set_freezer(freezer_, false);
    const bool runs = wait_until_settled();
    if (runs || !sealed) {
        if (network_) unlock_network(network_.get(), log);
        // Where the target is killed just before the freeze, CRIU takes its own namespaces for the
        // target's, locks that network, and dies on it (4.2.1: "BUG at criu/cgroup.c").
        const sys::UniqueFd own(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
        if (own) unlock_network(own.get(), log);
    }
    return runs;
}

bool Settlement::lives_on() const {
    std::this_thread::sleep_for(kAftermath);
    if (!proc::is_alive(init_)) return false;
    // A CRIU that died had thawed it, to work on its tasks. Not before now, or it could not have shown that it lives.
    if (was_paused_ && !freezer_.empty()) set_freezer(freezer_, true);
    return true;
}

/// The end of a tracer lets its tasks go on by itself, and what CRIU has killed ends by itself; both
/// take a moment.
bool Settlement::wait_until_settled() const {
    const auto end = Clock::now() + kSettleTime;
    while (any_stopped(init_) || proc::is_ending(init_)) {
        if (Clock::now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return proc::is_alive(init_);
}

}  // namespace stasis::ops
