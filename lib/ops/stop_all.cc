#include <unistd.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lib/ops/all_runs.h"
#include "lib/proc/mount.h"

namespace stasis::ops {
namespace {

class StopAll {
  public:
    StopAll(Context& context, const AllRequest& request)
        : context_(context), request_(request), order_(Order::from_file(request.order_file)) {}

    std::vector<TargetResult> run() {
        for (const Target& target : targets()) look_at(target);
        require_all_found(request_, planned_);
        std::stable_sort(planned_.begin(), planned_.end(),
                         [](const Planned& a, const Planned& b) { return a.rank < b.rank; });
        sum_up_space();
        const bool blocked = std::any_of(planned_.begin(), planned_.end(),
                                         [](const Planned& one) { return one.result.outcome == Outcome::failed; });
        if (!blocked || request_.keep_going) return run_planned(context_, request_, std::move(planned_), "stopping");
        std::vector<TargetResult> results;
        for (Planned& one : planned_) {
            if (!one.result.error) one.result.reason = "another one can't be stopped";
            results.push_back(std::move(one.result));
        }
        return results;
    }

  private:
    /// In the order in which they were named, each once.
    std::vector<Target> targets() const {
        std::vector<Target> found;
        if (request_.targets.empty()) return running();
        for (const std::string& text : request_.targets) {
            const Target target = resolve(context_, text);
            require_restorable(target);
            const bool again = std::any_of(found.begin(), found.end(),
                                           [&](const Target& other) { return other.text() == target.text(); });
            if (!again) found.push_back(target);
        }
        return found;
    }

    std::vector<Target> running() const {
        std::vector<Target> found;
        for (const runtime::Adapter* adapter : chosen_adapters(context_, request_))
            for (const Target& target : running_in(*adapter))
                if (!is_excluded(request_, target.runtime(), target.container)) found.push_back(target);
        return found;
    }

    void look_at(const Target& target) {
        context_.progress.step("looking at " + target.text());
        Planned one;
        one.result.target = target.text();
        one.arguments = {target.text()};
        // Named ones are stopped as they were named.
        if (!request_.targets.empty()) one.rank = {true, static_cast<int>(planned_.size())};
        try {
            const Examination found = examine(context_, target, request_.wishes);
            if (found.no_criu) throw *found.no_criu;
            if (request_.targets.empty())
                one.rank = order_.rank(target.runtime(), target.container, found.described.order);
            refuse_blocked(target, found, request_.ignore_blockers);
            rooms_[target.text()] = {found.folder, found.needed_bytes};
        } catch (const Error& error) {
            if (error.kind() == Kind::interrupted || error.kind() == Kind::precondition) throw;
            fail(one.result, error);
        }
        planned_.push_back(std::move(one));
    }

    static void fail(TargetResult& result, const Error& error) {
        result.outcome = Outcome::failed;
        result.error = error;
    }

    /// Each of them fits by itself: so was it looked at. A container's folder in the store may be a disk of its own.
    void sum_up_space() {
        const std::vector<proc::Mount> mounts = proc::mounts(::getpid());
        std::map<std::string, std::uint64_t> sums;  // by device: stat(2) has another one for each subvolume of btrfs
        for (Planned& one : planned_) {
            if (one.result.error) continue;
            const auto& [folder, needed] = rooms_.at(one.result.target);
            const std::uint64_t there = sys::free_bytes(folder);
            std::uint64_t& sum = sums[proc::mount_of(folder, mounts).device];
            sum += needed;
            if (sum <= there || request_.ignore_blockers) continue;
            fail(one.result,
                 Error(Kind::failed,
                       fmt::format("there is no room for the state of '{}' beside that of those before it: they need "
                                   "about {} MiB, and '{}' has {} MiB left",
                                   one.result.target, sum >> 20, folder.string(), there >> 20))
                     .hint("free some space there, name another store with --store, or leave some out with --exclude"));
            sum -= needed;
        }
    }

    /// What one of them needs, and where.
    struct Room {
        Path folder;
        std::uint64_t bytes = 0;
    };

    Context& context_;
    const AllRequest& request_;
    Order order_;
    std::vector<Planned> planned_;
    std::map<std::string, Room> rooms_;
};

}  // namespace

std::vector<TargetResult> stop_all(Context& context, const AllRequest& request) {
    require_root();
    return StopAll(context, request).run();
}

}  // namespace stasis::ops
