#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lib/fs/rootfs.h"
#include "lib/fs/survey.h"
#include "lib/ops/all_runs.h"
#include "lib/ops/host.h"
#include "lib/ops/selftest.h"

namespace stasis::ops {
namespace {

using Entries = std::vector<store::Entry>;

/// The name that stasis gives a stop state holds its time: enough to tell whether one that can't be read is newer.
bool is_newer_stop(const store::Entry& entry, const std::string& created) {
    const std::string prefix = "stop-";
    std::string stamp = created.substr(0, created.find('.'));  // names have no fractions of seconds
    std::erase_if(stamp, [](char letter) { return letter == '-' || letter == ':'; });
    return entry.checkpoint.starts_with(prefix) &&
           (stamp.empty() || entry.checkpoint.substr(prefix.size(), stamp.size()) > stamp);
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
                if (const store::Entry* entry = newest(entries)) plan(*adapter, entries, *entry);
        }
        require_all_found(request_, planned_);
        // The last one that was stopped is the first to come back.
        std::stable_sort(planned_.begin(), planned_.end(),
                         [](const Planned& a, const Planned& b) { return b.rank < a.rank; });
        if (std::any_of(planned_.begin(), planned_.end(),
                        [](const Planned& one) { return one.result.outcome == Outcome::untouched; }))
            test_host();
        return run_planned(context_, request_, std::move(planned_), "restoring");
    }

  private:
    void plan(const runtime::Adapter& adapter, const Entries& entries, const store::Entry& entry) {
        const bool readable = entry.found.manifest.has_value();
        if (readable && entry.found.manifest->kind != "stop") return;
        Planned one;
        one.result.target = adapter.name() + ":" + entry.container;
        one.arguments = {one.result.target, entry.checkpoint};
        try {
            if (!readable)  // throws, and says why
                (void)store::read_manifest(location_of(entry));
            one.rank = rank(adapter, entry);
            one.result.reason = why_not(adapter, entries, entry);
            if (!one.result.reason.empty()) one.result.outcome = Outcome::skipped;
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

    store::Location location_of(const store::Entry& entry) const {
        return context_.store.location(entry.runtime, entry.container, entry.checkpoint);
    }

    store::Folders folders_of(const store::Entry& entry) const { return {location_of(entry).path()}; }

    /// When the newest was sealed: nothing writes to the manifest later.
    std::filesystem::file_time_type sealed(const store::Entry& newest) const {
        return std::filesystem::last_write_time(folders_of(newest).manifest());
    }

    /// A restore of any of them that worked after the newest was sealed: the target has run since, then.
    std::optional<store::LastRestore> later_restore(const Entries& entries, const store::Entry& newest) const {
        for (const store::Entry& entry : entries) {
            if (!entry.found.manifest) continue;
            const store::Folders folders = folders_of(entry);
            std::optional<store::LastRestore> last = store::last_restore(location_of(entry));
            if (last && last->worked && std::filesystem::last_write_time(folders.last_restore()) > sealed(newest))
                return last;
        }
        return std::nullopt;
    }

    /// Why there is nothing to do about a stop state, or ""; throws where that can't be known, and someone must say.
    std::string why_not(const runtime::Adapter& adapter, const Entries& entries, const store::Entry& entry) const {
        const std::string name = fmt::format("{}:{} {}", adapter.name(), entry.container, entry.checkpoint);
        const std::string by_hand = fmt::format("; `stasis restore {}` brings this state back", name);
        const runtime::Status status = adapter.status(entry.container);
        if (status != runtime::Status::absent && status != runtime::Status::stopped) return "it is there already";
        if (const auto later = later_restore(entries, entry))
            return "it was restored at " + later->time + ", and has ended since" + by_hand;
        if (!entry.found.manifest->restored_with_all) return "it was stopped alone, not with --all" + by_hand;

        const std::optional<store::LastRestore> last = store::last_restore(location_of(entry));
        std::string doubt;
        if (last && last->boot_id != this_host().boot_id)
            doubt = "its restore failed at " + last->time + ", before the last boot";
        if (adapter.made_since(entry.container, sealed(entry)))
            doubt = "its runtime has made it anew since it was stopped";
        if (const std::string changed = changed_since(entry); !changed.empty())
            doubt = "the run that stopped it was killed before it had ended, and '" + changed + "' has changed since";
        if (doubt.empty()) return "";
        throw Error(Kind::failed, doubt + ": it may have run since, and its files have gone on then")
            .hint(fmt::format("`stasis restore {0}` brings it back with the files of then; if they are not wanted any "
                              "more, `stasis delete {0}`",
                              name));
    }

    /// A file of its own that was written after its state was sealed, where nobody has noted that it ended then; or "".
    std::string changed_since(const store::Entry& entry) const {
        const store::Manifest& manifest = *entry.found.manifest;
        if (store::has_ended(location_of(entry))) return "";
        const auto at = std::chrono::file_clock::to_sys(sealed(entry)).time_since_epoch();
        const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
        const timespec since{seconds.count(), std::chrono::nanoseconds(at - seconds).count()};
        std::vector<sys::Path> trees;
        if (fs::backend_from(manifest.rootfs.backend) != fs::Backend::none) trees.push_back(manifest.rootfs.source);
        for (const store::Volume& volume : manifest.volumes) trees.push_back(volume.source);
        for (const sys::Path& tree : trees) {
            if (!std::filesystem::exists(tree)) continue;  // the restore says what that means
            if (const auto changed = fs::survey(tree, since).changed; !changed.empty()) return tree / changed.front();
        }
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
