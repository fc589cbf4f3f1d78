#include "lib/ops/settle.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "lib/base/time.h"
#include "lib/ops/network_lock.h"
#include "lib/proc/freezer.h"

namespace stasis::ops {
namespace {

/// How long a task may take to go on after its tracer died.
constexpr auto kSettleTime = std::chrono::seconds(5);

/// A CRIU that is killed while it has a task do something on its behalf leaves it with CRIU's registers: it
/// goes on, and crashes (seen with 4.2.1). That takes a moment.
constexpr auto kAftermath = std::chrono::milliseconds(200);

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
    if (!was_paused_ && !freezer_.empty()) proc::set_frozen(freezer_, false);
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
    return proc::is_alive(init_);
}

bool Settlement::pause_again() const {
    if (!was_paused_ || freezer_.empty() || proc::is_frozen(freezer_)) return false;
    proc::set_frozen(freezer_, true);
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
