#include "lib/ops/dump.h"

#include <fcntl.h>

#include <array>
#include <chrono>
#include <future>

#include <fmt/format.h>

#include "lib/base/as_errors.h"
#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/criu/criu.h"
#include "lib/criu/images.h"
#include "lib/criu/options.h"
#include "lib/criu/pigz.h"
#include "lib/ops/draft.h"
#include "lib/ops/earlier.h"
#include "lib/ops/file_capture.h"
#include "lib/ops/fit.h"
#include "lib/ops/memory_capture.h"
#include "lib/ops/record_network.h"
#include "lib/ops/settle.h"
#include "lib/sys/socket.h"

namespace stasis::ops {
namespace {

constexpr const char* kLogName = "dump.log";
/// CRIU's finest level is the only one that explains failures. It prolongs the freeze of trees
/// with thousands of threads (criu#2708), so those get less: all but debugging. The id of the run must be in
/// it, by which a network that stays locked is found (unlock_network()).
constexpr int kFullLog = 4;
constexpr int kShortLog = 3;
constexpr std::size_t kManyTasks = 1000;

/// For less in a tmpfs gzip takes no longer than pigz.
constexpr std::uint64_t kWorthPigz = 1 << 20;

/// How long a transient failure is given to pass before each further try.
constexpr std::array kPauses{std::chrono::milliseconds(500), std::chrono::milliseconds(1000),
                             std::chrono::milliseconds(2000)};

std::string kind_name(DumpKind kind) { return kind == DumpKind::stop ? "stop" : "snapshot"; }

/// CRIU's log lies where its images do: on a full file system it can't say so.
void name_full_store(Error& error, const Path& folder) {
    constexpr std::uint64_t kFull = 1 << 20;
    std::error_code vanished;
    if (std::filesystem::space(folder, vanished).available < kFull && !vanished)
        error.hint("'" + folder.string() +
                   "' has no space left: free some, or name another store with --store or --dir");
}

/// Writes the files that go beside the images before CRIU starts.
void write_extra_files(const runtime::Description& described, const store::Folders& folders) {
    constexpr mode_t kReadable = 0644;  // a restore into a user namespace reads them
    constexpr mode_t kPrivate = 0600;
    for (const runtime::ExtraFile& file : described.image_files)
        sys::write_new_file(folders.images() / file.name, file.text, kReadable);
    for (const runtime::ExtraFile& file : described.runtime_files)
        sys::write_new_file(folders.runtime() / file.name, file.text, kPrivate);
}

/// One run of snapshot or stateful-stop, in the order of the story in the manual.
class Dump {
  public:
    Dump(Context& context, DumpRequest request) : context_(context), request_(std::move(request)), memory_(context) {}

    DumpReport run() {
        began_ = Clock::now();
        const Target target = resolve(context_, request_.target);
        const bool for_inspection = request_.kind == DumpKind::snapshot && request_.wishes.directory;
        if (for_inspection)
            target.adapter->require_known(target.container);
        else
            require_restorable(target);
        const store::ContainerLock lock = context_.store.lock(target.runtime(), target.container);
        // The runtime takes its time to say so; there is other work to do meanwhile.
        runtime_version_ = std::async(std::launch::async, [adapter = target.adapter] { return adapter->version(); });

        context_.progress.step("looking at " + target.text());
        request_.wishes.keeps_running = request_.kind == DumpKind::snapshot;
        const Examination found = examine(context_, target, request_.wishes);
        if (found.no_criu) throw *found.no_criu;
        refuse_blocked(target, found, request_.ignore_blockers);
        warn_of(target, found);

        tasks_ = found.seen.tasks;
        const Settlement settlement(found.described);
        earlier_.emplace(context_, target);
        settle_interrupted(target, found.described.init.pid, settlement);
        const store::Location location = place(target);
        draft(target, found, location);
        if (request_.escort != nullptr) {
            request_.escort->looked(found, manifest_);
            manifest_.lacks_memory = request_.escort->keeps_memory();
        }
        store::Partial partial = store::Partial::begin(location);
        try {
            lock_fd_ = lock.fd();
            as_errors([&] {
                write_extra_files(found.described, partial.folders());
                freeze_and_dump(target, found, location, partial, settlement);
            });
        } catch (Error& error) {
            files_.stop();  // nothing may write into what is about to be removed
            memory_.stop();
            if (!partial.sealed()) keep_log(error, partial);
            throw;
        }
        if (!request_.wishes.directory)
            try_to("what is left of earlier failures could not be removed: ",
                   [&] { context_.store.clear_failures(target.runtime(), target.container); });
        return report(target, location, partial);
    }

  private:
    /// For a step after which the dump is done, whatever becomes of it. `failure` is what a warning begins with.
    template <typename Step>
    void try_to(const std::string& failure, Step step) const {
        try {
            as_errors(step);
        } catch (const Error& error) {
            context_.progress.warn(failure + error.message());
        }
    }

    void warn_of(const Target& target, const Examination& found) {
        if (request_.ignore_blockers)
            for (const inspect::Blocker& blocker : found.seen.blockers)
                context_.progress.warn("ignored: " + blocker.cause);
        warnings_ = found.seen.warnings;
        if (const std::optional<Error> refusal = target.adapter->no_restore(target.container))
            warnings_.push_back({"for-inspection", "this is for inspection: " + refusal->message()});
        for (const inspect::Warning& warning : warnings_) context_.progress.warn(warning.text);
    }

    /// A run that was killed together with its CRIU could not put the target right itself. It may have
    /// sealed a stop state by then, the newest, although its first task lives on.
    void settle_interrupted(const Target& target, pid_t init, const Settlement& settlement) {
        for (const store::Folders& remains : context_.store.interrupted(target.runtime(), target.container))
            (void)settlement.settle(remains.logs() / kLogName, false);
        const store::Entry* stop = earlier_->stop();
        if (stop == nullptr || stop->found.manifest->tasks.empty() || stop->found.manifest->tasks.front().pid != init)
            return;
        (void)settlement.settle(earlier_->folders(*stop).logs() / kLogName, false);
        if (!stop->found.manifest->lacks_memory) return;
        store::remove(context_.store.location(target.runtime(), target.container, stop->checkpoint));
        earlier_.emplace(context_, target);
    }

    store::Location place(const Target& target) const {
        if (request_.wishes.directory) return store::plain_location(*request_.wishes.directory);
        const std::string prefix = request_.kind == DumpKind::stop ? "stop-" : "";
        const std::string stem = request_.name.value_or(prefix + utc_stamp());
        std::string name = stem;
        // Two snapshots within one second get names of their own unless the user chose one.
        for (int i = 2; !request_.name; ++i) {
            const store::Location taken = context_.store.location(target.runtime(), target.container, name);
            if (store::look_at(taken).state == store::State::absent) break;
            name = stem + "-" + std::to_string(i);
        }
        return context_.store.location(target.runtime(), target.container, name);
    }

    /// The manifest as far as it is known before the freeze.
    void draft(const Target& target, const Examination& found, const store::Location& location) {
        manifest_ = draft_manifest(target, found, runtime_version_.get());
        manifest_.checkpoint = location.name;
        manifest_.kind = kind_name(request_.kind);
        manifest_.restored_with_all = request_.restored_with_all;
        record_lasting_network(found.described.lasting_network);
    }

    /// For restore --recreate-network; without it there is nothing that a restore on this boot would miss.
    void record_lasting_network(const Path& network) {
        if (!is_network_by_path(network)) return;
        try {
            manifest_.network = record_network(network);
        } catch (const Error& error) {
            context_.progress.warn("restore --recreate-network will not work: what is in '" + network.string() +
                                   "' can't be recorded (" + error.message() + ")");
        }
    }

    /// The copy of the files begins, while CRIU gets ready.
    void start_copying(const runtime::Description& described, const store::Partial& partial) {
        if (request_.wishes.keep_rootfs && !described.rootfs.empty()) {
            context_.progress.step("copying the root file system");
            const fs::RootfsPlan plan = plan_files(described, partial.folders().root);
            files_.add_rootfs(plan, partial.folders().rootfs(), parent_of(plan), lock_fd_);
        }
        const std::vector<runtime::BindMount> folders = kept_folders(described, request_.wishes.keep_volumes);
        if (!folders.empty()) sys::make_directory(partial.folders().volumes(), 0700);
        for (const runtime::BindMount& mount : folders) {
            const std::string folder = std::to_string(manifest_volumes_++);
            files_.add_volume({mount.source, mount.destination, folder}, partial.folders().volumes(), lock_fd_);
        }
        files_.start_first_pass(inspect::written_files(tasks_));
    }

    std::optional<fs::Parent> parent_of(const fs::RootfsPlan& plan) {
        if (request_.wishes.directory) return std::nullopt;
        std::optional<Earlier::Lent<fs::Parent>> lent = earlier_->rootfs(plan);
        if (!lent) return std::nullopt;
        manifest_.rootfs.linked_to = lent->checkpoint;
        return std::move(lent->part);
    }

    /// The heart: CRIU freezes, dumps, and asks at `post-dump` whether the source may go.
    void freeze_and_dump(const Target& target, const Examination& found, const store::Location& location,
                         store::Partial& partial, const Settlement& settlement) {
        const runtime::Description& described = found.described;
        const store::Folders folders = partial.folders();
        const sys::UniqueFd images = sys::open_path(folders.images(), O_RDONLY | O_DIRECTORY);
        const sys::UniqueFd logs = sys::open_path(folders.logs(), O_RDONLY | O_DIRECTORY);
        criu::rpc::Options options;
        options.set_images_dir_fd(images.get());
        options.set_work_dir_fd(logs.get());
        options.set_log_file(kLogName);
        // Of a post-copy as well, whose freeze is to be short however many pages there are: each MiB of them is logged.
        options.set_log_level(found.seen.tasks.size() < kManyTasks && !manifest_.lacks_memory ? kFullLog : kShortLog);
        options.set_pid(described.init.pid);
        options.set_leave_running(request_.kind == DumpKind::snapshot);
        criu::apply(manifest_.criu_options, found.criu->version, options);
        criu::Equipment equipment{{lock_fd_}, {}, {}};
        if (found.seen.tmpfs_bytes >= kWorthPigz)
            criu::use_pigz(equipment, request_.compression.codec != pages::Codec::none);
        // CRIU would serve the memory itself once it is answered at `post-dump`. It is over by then: nobody asks.
        const sys::UniqueFd nobody = manifest_.lacks_memory ? sys::socket_pair().first : sys::UniqueFd();
        if (nobody) {
            options.set_lazy_pages(true);
            equipment.descriptors.push_back(nobody.get());
        }
        set_configuration(folders, options, nobody);
        if (!manifest_.lacks_memory) {
            memory_.start(memory_plan(found, folders), found, folders, options, equipment);
            if (!memory_.has_parent()) manifest_.parent.clear();
        }
        if (!proc::is_alive(described.init)) throw Error(Kind::target_changed, "the target ended before it was frozen");

        const auto on_event = [&](criu::Event& event) {
            if (event.script == "pre-dump") before_freeze(described.init, folders);
            if (event.script == "post-dump") while_frozen(target, described, partial);
        };
        try {
            // By the descriptor: a seal renames the folder while CRIU is still at work.
            const Path log = sys::path_of(logs.get()) / kLogName;
            const auto meanwhile = [&] {
                memory_.leave_to_criu();
                start_copying(described, partial);
            };
            const criu::DumpTimes times = as_errors([&] {
                return criu::dump(*found.criu, options, log, on_event, context_.interrupts, equipment, meanwhile);
            });
            freeze_us_ = microseconds_between(times.freeze_begin, times.freeze_end);
        } catch (Error& error) {
            memory_.explain(error);
            after_failure(error, partial, settlement);
        }
        if (request_.escort != nullptr) request_.escort->gone();
        if (request_.kind == DumpKind::snapshot) return write_and_seal(partial);
        wait_for_end();
        // For restore_all(), which asks what ran on instead.
        try_to("it can't be noted that it ended: ", [&] { store::note_end(location); });
        // What it can't put away now the runtime does later, or the restore.
        try_to("", [&] { target.adapter->put_away(target.container); });
    }

    /// What has no field in a request CRIU reads from a file; so it does, where the dump is lazy, who asks it for pages
    /// (4.2.1, criu/cr-service.c).
    void set_configuration(const store::Folders& folders, criu::rpc::Options& options,
                           const sys::UniqueFd& page_client) const {
        std::string text = criu::configuration(manifest_.criu_options);
        if (page_client) text += fmt::format("ps-socket {}\n", page_client.get());
        if (text.empty()) return;
        const Path file = folders.logs() / "criu.conf";
        sys::write_new_file(file, text, 0600);
        options.set_config_file(file);
    }

    MemoryPlan memory_plan(const Examination& found, const store::Folders& folders) {
        const bool runs_on = request_.kind == DumpKind::snapshot;
        return {request_.buffer, request_.compression, runs_on, runs_on && request_.copy_ahead,
                [this, &found, &folders] {
                    return request_.escort != nullptr ? request_.escort->copy_ahead(found, folders) : parent_memory();
                }};
    }

    std::optional<pages::Parent> parent_memory() {
        if (request_.full || request_.wishes.directory) return std::nullopt;
        try {
            std::optional<Earlier::Lent<pages::Parent>> lent = earlier_->memory();
            if (!lent) return std::nullopt;
            manifest_.parent = lent->checkpoint;
            return std::move(lent->part);
        } catch (const Error& error) {
            context_.progress.warn(error.message() + ": all memory is written anew");
            return std::nullopt;
        }
    }

    void write_memory(const store::Partial& partial) {
        try {
            memory_.write();
        } catch (Error& error) {
            name_full_store(error, partial.folders().root.parent_path());
            throw;
        }
        if (!memory_.has_parent()) manifest_.parent.clear();
    }

    void before_freeze(const proc::Identity& init, const store::Folders& folders) {
        files_.finish_first_pass(context_.interrupts);
        memory_.before_freeze(init);
        if (request_.kind == DumpKind::stop) {
            // What others have not written yet would be waited for in the seal.
            const sys::UniqueFd folder = sys::open_path(folders.root, O_RDONLY | O_DIRECTORY);
            sys::sync_file_system(folder.get(), folders.root.native());
        }
        if (request_.escort != nullptr) request_.escort->freezing();
        context_.progress.step("dumping");
        frozen_since_ = Clock::now();
    }

    void while_frozen(const Target& target, const runtime::Description& described, store::Partial& partial) {
        manifest_.created = utc_now();  // CRIU has read its timers; now at the latest they stand still
        memory_.finish();
        tasks_ = proc::tree_of(described.init.pid, proc::all_processes());
        manifest_.tasks = tasks_of(tasks_);
        files_.second_pass(inspect::written_files(tasks_), context_.interrupts);
        criu::mend_files_image(partial.folders().images());
        manifest_.expected =
            record_expectations(target, described, request_.wishes.keep_rootfs, request_.wishes.keep_volumes);
        if (request_.escort != nullptr) {
            write_memory(partial);
            request_.escort->frozen(described, partial.folders());
        }
        freeze_us_ = microseconds_between(frozen_since_, Clock::now());
        if (request_.kind == DumpKind::stop) write_and_seal(partial);
        if (request_.escort != nullptr) request_.escort->sealed(manifest_);
        if (request_.kind == DumpKind::stop) target.adapter->keep_stopped(target.container);
    }

    /// CRIU has killed them, and freeing a large memory takes a moment: who asked for a stop can rely on it.
    void wait_for_end() const {
        constexpr int kDeathTimeoutMs = 10'000;
        for (const proc::Stat& task : tasks_) (void)proc::wait_until_ended(task.id, kDeathTimeoutMs);
    }

    /// A snapshot's target runs again by now; a stop's has yet to end.
    void write_and_seal(store::Partial& partial) {
        write_memory(partial);
        context_.progress.step("sealing");
        manifest_.freeze_us = freeze_us_;
        files_.describe(manifest_, context_.interrupts);
        manifest_.expected.mount_points = mount_points_below(manifest_);
        partial.seal(manifest_, memory_.records(), context_.interrupts);
    }

    /// CRIU failed, or we refused. Usually the target runs on: then no checkpoint may claim that it
    /// was stopped. But when CRIU ends after the seal, in the middle of killing, the state is safe
    /// on disk, and what is left of the target is in the way of its restore: the stop is finished.
    void after_failure(Error& error, store::Partial& partial, const Settlement& settlement) {
        const bool as_it_was =
            settlement.settle(partial.folders().logs() / kLogName, partial.sealed()) && settlement.lives_on();
        if (as_it_was && settlement.pause_again())
            context_.progress.warn("it was paused, and ran for a moment until it was paused again");
        if (!as_it_was && partial.sealed()) {
            for (const proc::Stat& task : tasks_) proc::kill_and_wait(task.id);
            context_.progress.warn("CRIU failed after the state was sealed (" + error.message() +
                                   "); the target was ended");
            freeze_us_ = microseconds_between(frozen_since_, Clock::now());
            return;
        }
        if (error.kind() == Kind::failed) name_full_store(error, partial.folders().root.parent_path());
        // Only a target that stood still for nothing may be frozen again.
        if (!as_it_was || partial.sealed()) error.transient(false);
        if (partial.sealed()) error.log(partial.unseal() / kLogName);
        if (!as_it_was)
            error.kind(Kind::target_changed).hint("the target is not as it was: look at it before you go on");
        throw error;
    }

    static void keep_log(Error& error, store::Partial& partial) {
        try {
            const Path logs = partial.abandon();
            if (std::filesystem::exists(logs / kLogName)) error.log(logs / kLogName);
        } catch (const Error&) {
            // The store is gone, or full to the brim: what went wrong before is still what matters.
        }
    }

    DumpReport report(const Target& target, const store::Location& location, const store::Partial& partial) const {
        DumpReport report;
        report.target = target.text();
        report.checkpoint = manifest_.checkpoint;
        report.kind = manifest_.kind;
        report.path = location.path();
        report.freeze_us = freeze_us_;
        if (const std::optional<criu::DumpStats> stats = criu::read_dump_stats(partial.folders().logs()))
            report.criu_frozen_us = stats->frozen_us;
        report.total_us = microseconds_between(began_, Clock::now());
        report.bytes_written = manifest_.bytes() - files_.shared_bytes() - memory_.shared_bytes();
        report.buffer_bytes = memory_.buffer_bytes();
        report.ahead_bytes = memory_.ahead_bytes();
        report.parent = manifest_.parent;
        report.options = manifest_.criu_options;
        report.warnings = warnings_;
        return report;
    }

    Context& context_;
    DumpRequest request_;
    Clock::time_point began_;
    store::Manifest manifest_;
    std::future<std::string> runtime_version_;
    int lock_fd_ = -1;  ///< held on by children that still have to finish when we die
    int manifest_volumes_ = 0;
    std::vector<inspect::Warning> warnings_;
    std::vector<proc::Stat> tasks_;  ///< when it was looked at; from the freeze on, those that stand still
    std::optional<Earlier> earlier_;
    FileCapture files_;
    MemoryCapture memory_;
    Clock::time_point frozen_since_;
    long long freeze_us_ = 0;
};

}  // namespace

DumpReport dump(Context& context, DumpRequest request) {
    require_root();
    for (auto pause = kPauses.begin();; ++pause) {
        try {
            return as_errors([&] { return Dump(context, request).run(); });
        } catch (Error& error) {
            if (!error.transient() || request.escort != nullptr) throw;
            request.copy_ahead = false;  // the plainest way is the surest
            if (pause == kPauses.end()) throw error.context(fmt::format("tried {} times", kPauses.size() + 1));
            context.progress.warn(fmt::format("{}: {}; trying again in {:g} s ({} of {})", error.message(),
                                              error.cause(), std::chrono::duration<double>(*pause).count(),
                                              pause - kPauses.begin() + 1, kPauses.size()));
        }
        context.interrupts.pause(*pause);
    }
}

}  // namespace stasis::ops
