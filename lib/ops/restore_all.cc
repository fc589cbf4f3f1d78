#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lib/ops/all_runs.h"
#include "lib/ops/host.h"
#include "lib/ops/selftest.h"

namespace stasis::ops {
namespace {

using Entries = std::vector<store::Entry>;

/// The name that stasis gives a stop state holds its time: enough to tell whether one that can't be read is newer.
bool is_newer_stop(const store::Entry& entry, const std::string& created) {
    const std::string prefix = "stop-";
    std::string stamp = created;
    std::erase_if(stamp, [](char letter) { return letter == '-' || letter == ':'; });
    return entry.checkpoint.starts_with(prefix) && entry.checkpoint.substr(prefix.size()) > stamp;
}

/// The newest of a target's sealed checkpoints, or one that can't be read and is newer; nothing where there is neither.
const store::Entry* newest(const Entries& entries) {
    const store::Entry* found = nullptr;
    for (const store::Entry& entry : entries)
        if (entry.found.manifest) found = &entry;
    for (const store::Entry& entry : entries) {
        const bool unreadable = entry.found.state == store::State::damaged || entry.found.state == store::State::newer;
        if (unreadable && is_newer_stop(entry, found != nullptr ? found->created() : "")) return &entry;
    }
    return found;
}

class RestoreAll {
  public:
    RestoreAll(Context& context, const AllRequest& request)
        : context_(context), request_(request), order_(Order::from_file(request.order_file)) {}

    std::vector<TargetResult> run() {
        for (const runtime::Adapter* adapter : chosen_adapters(context_, request_)) {
            std::map<std::string, Entries> targets;
            for (store::Entry& entry : context_.store.list(adapter->name(), ""))
                if (!is_excluded(request_, entry.runtime, entry.container))
                    targets[entry.container].push_back(std::move(entry));
            for (const auto& [container, entries] : targets)
                if (const store::Entry* entry = newest(entries)) plan(*adapter, *entry);
        }
        // The last one that was stopped is the first to come back.
        std::stable_sort(planned_.begin(), planned_.end(),
                         [](const Planned& a, const Planned& b) { return b.rank < a.rank; });
        if (std::any_of(planned_.begin(), planned_.end(),
                        [](const Planned& one) { return one.result.outcome == Outcome::untouched; }))
            test_host();
        return run_planned(context_, request_, std::move(planned_), "restoring");
    }

  private:
    void plan(const runtime::Adapter& adapter, const store::Entry& entry) {
        const bool readable = entry.found.manifest.has_value();
        if (readable && entry.found.manifest->kind != "stop") return;
        Planned one;
        one.result.target = adapter.name() + ":" + entry.container;
        one.arguments = {one.result.target, entry.checkpoint};
        try {
            const store::Location location = context_.store.location(adapter.name(), entry.container, entry.checkpoint);
            if (!readable) (void)store::read_manifest(location);  // throws, and says why
            one.result.reason = why_not(adapter, entry, location);
            if (!one.result.reason.empty()) one.result.outcome = Outcome::skipped;
            one.rank = rank(adapter, entry);
        } catch (const Error& error) {
            one.result.outcome = Outcome::failed;
            one.result.error = error;
        }
        planned_.push_back(std::move(one));
    }

    /// An order that makes no sense holds back no restore.
    Rank rank(const runtime::Adapter& adapter, const store::Entry& entry) {
        try {
            return order_.rank(adapter.name(), entry.container, entry.found.manifest->order);
        } catch (const Error& error) {
            context_.progress.warn(error.message());
            return {};
        }
    }

    /// Why a stop state is none to be restored now, with the remedy; "" where it is.
    static std::string why_not(const runtime::Adapter& adapter, const store::Entry& entry,
                               const store::Location& location) {
        const std::string by_hand =
            fmt::format("; `stasis restore {}:{} {}` restores it", adapter.name(), entry.container, entry.checkpoint);
        const runtime::Status status = adapter.status(entry.container);
        if (status != runtime::Status::absent && status != runtime::Status::stopped) return "it is there already";
        const std::optional<store::LastRestore> last = store::last_restore(location);
        if (last && last->worked) return "it was restored at " + last->time + ", and has ended since" + by_hand;
        if (!entry.found.manifest->restored_with_all) return "it was stopped alone, not with --all" + by_hand;
        if (last && last->boot_id != this_host().boot_id)
            return "its restore failed at " + last->time + ", before the last boot, and it may have run since" +
                   by_hand;
        // The seal's last file: nothing writes to it later.
        if (adapter.made_since(entry.container,
                               std::filesystem::last_write_time(store::Folders{location.path()}.manifest())))
            return "it was started anew since" + by_hand;
        return "";
    }

    /// Nobody's container is the first to find out that CRIU does not work on a new kernel.
    void test_host() {
        context_.progress.step("dumping and restoring a small process");
        try {
            run_selftest(criu::find_binary(context_.interrupts), context_.interrupts);
        } catch (Error& error) {
            if (error.kind() == Kind::interrupted) throw;
            const std::string remedy = error.hint().empty() ? "" : error.hint() + "; ";
            throw error.kind(Kind::precondition)
                .context("the self-test of this host failed, and nothing was restored")
                .hint(remedy +
                      "all checkpoints are unharmed: install a newer CRIU (scripts/setup) or boot the kernel that was "
                      "there before, see whether `stasis check` is content, then `stasis restore --all`");
        }
    }

    Context& context_;
    const AllRequest& request_;
    Order order_;
    std::vector<Planned> planned_;
};

}  // namespace

std::vector<TargetResult> restore_all(Context& context, const AllRequest& request) {
    require_root();
    return RestoreAll(context, request).run();
}

}  // namespace stasis::ops
