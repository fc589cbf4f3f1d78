#include "lib/ops/restore.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "lib/base/as_errors.h"
#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/criu/criu.h"
#include "lib/criu/log.h"
#include "lib/criu/options.h"
#include "lib/fs/rootfs.h"
#include "lib/ops/find.h"
#include "lib/ops/fit.h"
#include "lib/ops/host.h"
#include "lib/ops/lazy_load.h"
#include "lib/ops/network_lock.h"
#include "lib/ops/plain_images.h"
#include "lib/ops/record_network.h"
#include "lib/ops/recreate_network.h"
#include "lib/ops/restore_new_pids.h"
#include "lib/pages/lazy.h"
#include "lib/proc/orphans.h"
#include "lib/store/move_record.h"

namespace stasis::ops {
namespace {

constexpr int kFullLog = 4;

bool is_there(runtime::Status status) {
    return status != runtime::Status::absent && status != runtime::Status::stopped;
}

/// One run of restore, in the order of the story in the manual.
class Restore {
  public:
    Restore(Context& context, const RestoreRequest& request) : context_(context), request_(request) {}

    /// Notes how it ended, unless it never came to that.
    RestoreReport run() {
        try {
            RestoreReport report = as_errors([&] { return try_it(); });
            note(true);
            report.warnings = warnings_;
            return report;
        } catch (const Error& error) {
            const Kind kind = error.kind();
            if (kind == Kind::failed || kind == Kind::damaged || kind == Kind::target_changed) note(false);
            throw;
        }
    }

  private:
    RestoreReport try_it() {
        target_ = resolve(context_, request_.target);
        if (const std::optional<Error> refusal = target_.adapter->no_restore(target_.container)) throw *refusal;
        if (request_.lock == nullptr) own_lock_.emplace(context_.store.lock(target_.runtime(), target_.container));
        choice_ = choose_checkpoint(context_, target_, request_.name, request_.directory);
        if (choice_.manifest.lacks_memory && request_.page_socket < 0)
            throw Error(Kind::damaged, "the checkpoint '" + choice_.manifest.checkpoint + "' of '" +
                                           choice_.manifest.target() +
                                           "' has no memory: that was to follow a post-copy move")
                .hint("`stasis move-to-host` with --recover settles what became of the move");
        criu_ = criu::find_binary(context_.interrupts);
        make_plan();

        const bool has_stranger = has_host_pids() && !target_.adapter->obstacles(plan_).empty();
        const bool running =
            is_there(target_.adapter->status(target_.container)) && !(has_stranger && request_.new_pid_namespace);
        if (running && !request_.replace)
            throw Error(Kind::busy, "'" + target_.text() + "' is running" +
                                        (has_stranger ? ", but not what this is a checkpoint of" : ""))
                .hint(has_stranger ? "restore it with --new-pid-namespace, or end that process"
                                   : "stop it first, or replace it by the checkpoint with --replace");
        if (request_.verify) {
            context_.progress.step("verifying " + choice_.location.path().string());
            verify_or_throw(context_, choice_);
        }
        if (request_.recreate_network && is_network_by_path(choice_.manifest.lasting_network))
            network_.emplace(choice_.manifest, context_.progress);
        refuse_misfit();
        images_.emplace(target_, choice_.location, context_.interrupts);
        set_clock();
        plan_.images = images_->path();
        context_.interrupts.check();
        unlock_interrupted();

        // From here on things change: a signal no longer stops us half way, but for a CRIU that hangs.
        if (running) {
            context_.progress.step("killing the running " + target_.text());
            target_.adapter->kill(target_.container);
        }
        try {
            const int lock_fd = request_.lock != nullptr ? request_.lock->fd() : own_lock_->fd();
            const int pid = as_errors([&] { return bring_back(lock_fd); });
            // It is this host's again; one that is held is not yet.
            if (!request_.hold) store::forget_move(context_.store, target_.runtime(), target_.container);
            return {target_.text(),
                    choice_.manifest.checkpoint,
                    choice_.location.path(),
                    pid,
                    network_ && network_->made(),
                    plan_.lazy,
                    running_us_,
                    microseconds_between(began_, Clock::now()),
                    away_us_,
                    {}};
        } catch (Error& error) {
            if (running) error.kind(Kind::target_changed);
            if (request_.hold) throw;  // the checkpoint does not stay
            const std::string remedy = error.hint().empty() ? "remove the cause and restore again" : error.hint();
            error.hint(remedy + "; the checkpoint is unharmed");
            throw;
        }
    }

    /// For restore_all(), which brings back nothing that has run since.
    void note(bool worked) {
        if (choice_.location.name.empty()) return;
        try {
            store::note_restore(choice_.location, {worked, utc_now(), this_host().boot_id});
        } catch (const Error& error) {
            warnings_.push_back(
                "it can't be noted that it was restored: delete it, or `stasis restore --all` may restore it again (" +
                error.message() + ")");
            context_.progress.warn(warnings_.back());
        }
    }

    void make_plan() {
        const store::Folders folders{choice_.location.path()};
        plan_.name = target_.container;
        plan_.images = folders.images();
        plan_.logs = folders.logs();
        plan_.log_name = "restore-" + utc_stamp() + ".log";
        plan_.runtime_files = folders.runtime();
        plan_.details = choice_.manifest.runtime_details;
        plan_.criu_configuration = criu::restore_configuration(choice_.manifest.criu_options);
        plan_.criu = criu_.path;
        plan_.console_socket = request_.console_socket;
        plan_.hold = request_.hold;
        if (request_.lock != nullptr) plan_.lock_fd = request_.lock->fd();
    }

    /// Refuses with everything in which this host or the target's surroundings do not fit, at once.
    void refuse_misfit() {
        Fit found = fit(target_, choice_.manifest, plan_, criu_.version);
        compare_moves(found);
        std::vector<std::string> problems;
        bool pids_are_taken = false;
        for (const Misfit& misfit : found.misfits) {
            const bool of_pids =
                has_host_pids() && (misfit.kind == MisfitKind::pids || misfit.kind == MisfitKind::runtime);
            if (of_pids && request_.new_pid_namespace) continue;
            pids_are_taken = pids_are_taken || of_pids;
            const std::string line = misfit.what + (misfit.remedy.empty() ? "" : " (" + misfit.remedy + ")");
            (is_ignored(misfit.kind) ? warnings_ : problems).push_back(line);
        }
        if (!problems.empty())
            throw Error(Kind::damaged, "the checkpoint '" + choice_.manifest.checkpoint + "' of '" +
                                           choice_.manifest.target() + "' does not fit; nothing was touched")
                .details(problems)
                .hint(pids_are_taken ? "put right what is listed, then restore again; --new-pid-namespace gives it its "
                                       "pids in a namespace of its own"
                      : lacks_network() ? "put right what is listed, then restore again; --recreate-network makes the "
                                          "network namespace again as it was"
                                        : "put right what is listed, then restore again");
        warnings_.insert(warnings_.end(), found.warnings.begin(), found.warnings.end());
        for (const std::string& warning : warnings_) context_.progress.warn(warning);
    }

    /// A target that was moved away may run there.
    void compare_moves(Fit& found) const {
        const std::optional<store::MoveRecord> move =
            store::read_move(context_.store, target_.runtime(), target_.container);
        if (!move) return;
        if (move->state == store::MoveState::leaving)
            found.misfits.push_back(
                {MisfitKind::moved, "its move to '" + move->peer + "' broke off at the last moment: it may run there",
                 "`stasis move-to-host` with --recover asks it; restore it here only where it does not"});
        if (move->state == store::MoveState::left)
            found.warnings.push_back("it was moved to '" + move->peer + "', and may run there");
    }

    /// A bare tree, which wants the very pids of the host that it had.
    bool has_host_pids() const {
        return choice_.manifest.runtime == target_.runtime() && target_.adapter->restores_to_same_pids(plan_.details);
    }

    /// Is a network namespace gone that could be made again?
    bool lacks_network() const {
        return !choice_.manifest.network.empty() && !std::filesystem::exists(choice_.manifest.lasting_network);
    }

    /// It runs: that its network stays cut off does not make the restore a failure.
    void connect_network() {
        if (!network_) return;
        try {
            network_->connect();
        } catch (const Error& error) {
            warnings_.push_back("its network can't be connected to the host's: " + error.message());
            context_.progress.warn(warnings_.back());
        }
    }

    bool is_ignored(MisfitKind kind) const {
        const std::vector<std::string>& ignored = request_.ignored_misfits;
        const std::vector<std::string> can_be = ignorable_misfits();
        const auto has = [](const std::vector<std::string>& names, const std::string& name) {
            return std::find(names.begin(), names.end(), name) != names.end();
        };
        return has(can_be, to_string(kind)) && (has(ignored, to_string(kind)) || has(ignored, "all"));
    }

    /// A dump that was killed together with its CRIU has left a network locked that outlives the target.
    void unlock_interrupted() const {
        if (choice_.manifest.lasting_network.empty()) return;
        const sys::UniqueFd network(::open(choice_.manifest.lasting_network.c_str(), O_RDONLY | O_CLOEXEC));
        if (!network) return;
        for (const store::Folders& remains : context_.store.interrupted(target_.runtime(), target_.container))
            unlock_network(network.get(), remains.logs() / "dump.log");
    }

    /// CRIU's lazy-pages itself brings no pages that earlier checkpoints have.
    std::unique_ptr<LazyLoad> start_lazy_load(int lock_fd) {
        if (request_.page_socket >= 0)
            return std::make_unique<LazyLoad>(
                criu_, plan_, PageServer{sys::UniqueFd(::fcntl(request_.page_socket, F_DUPFD_CLOEXEC, 0)), {}},
                lock_fd);
        const std::optional<pages::Layout> layout = pages::layout_of(criu_.version);
        if (!layout || !pages::has_lazy_in_parent(plan_.images))
            return std::make_unique<LazyLoad>(criu_, plan_, PageServer(), lock_fd);
        runtime::RestorePlan plan = plan_;
        plan.images = images_->made_lazy(*layout);
        auto load = std::make_unique<LazyLoad>(criu_, plan, PageServer::start(plan.images, criu_.version), lock_fd);
        plan_ = std::move(plan);
        return load;
    }

    /// Where the host can't, the memory comes first, as without --lazy.
    std::unique_ptr<LazyLoad> prepare_lazy_load(int lock_fd) {
        std::string obstacle = target_.adapter->lazy_obstacle();
        if (obstacle.empty()) obstacle = criu::lazy_obstacle(plan_.images);
        std::unique_ptr<LazyLoad> load;
        try {
            if (obstacle.empty()) load = start_lazy_load(lock_fd);
        } catch (const Error& error) {
            obstacle = error.message();
        }
        plan_.lazy = load != nullptr;
        if (load) return load;
        if (request_.page_socket >= 0) throw Error(Kind::failed, "it can't be restored lazily: " + obstacle);
        warnings_.push_back("it can't be restored lazily: " + obstacle + "; it runs once all its memory is in");
        context_.progress.warn(warnings_.back());
        return nullptr;
    }

    /// Where the runtime has no such container any more, it makes it again; what fails then leaves none.
    int bring_back(int lock_fd) {
        if (target_.adapter->status(target_.container) != runtime::Status::absent) return bring_back_known(lock_fd);
        const bool made = target_.adapter->make_again(plan_);
        try {
            return bring_back_known(lock_fd);
        } catch (...) {
            if (made) remove_made();
            throw;
        }
    }

    void remove_made() {
        try {
            target_.adapter->remove(target_.container, plan_.details);
        } catch (const Error& error) {
            context_.progress.warn("what was made of it could not be removed: " + error.message());
        }
    }

    int bring_back_known(int lock_fd) {
        // The deadline and signals were looked at for the last time before the first change.
        sys::Interrupts uninterrupted = sys::Interrupts::none();
        target_.adapter->put_away(target_.container);
        context_.progress.step("putting the files back");
        restore_files(lock_fd, uninterrupted);
        const std::unique_ptr<LazyLoad> load = request_.lazy ? prepare_lazy_load(lock_fd) : nullptr;
        context_.progress.step("restoring the processes");
        const int pid = restore_processes(load.get());
        connect_network();
        running_us_ = microseconds_between(began_, Clock::now());
        away_us_ = (wall_clock() - dumped_at()).count();
        request_.restored(pid, plan_.lazy);
        if (load) load->finish(context_);
        return pid;
    }

    /// Since then its clocks have stood still. What can't be read is now: manifests are not made by hand.
    Microseconds dumped_at() const { return parse_utc(choice_.manifest.created).value_or(wall_clock()); }

    void set_clock() {
        constexpr std::chrono::milliseconds kResolution{1};  // of the manifest, which rounds down
        images_->set_clock(dumped_at() + kResolution, wall_clock());
    }

    /// Where CRIU's log has no cause that is known, what the runtime said may tell more: of a hook that failed, say.
    void explain(Error& error) const {
        std::vector<std::string> lines = error.details();
        if (criu::explain(error, plan_.logs / plan_.log_name) || !target_.adapter->restores()) return;
        if (error.details() == lines) return;  // there is no log
        lines.insert(lines.end(), error.details().begin(), error.details().end());
        error.details(lines);
    }

    int restore_processes(LazyLoad* load) {
        try {
            return target_.adapter->restores() ? target_.adapter->restore(plan_, context_.interrupts).pid
                                               : restore_tree();
        } catch (Error& error) {
            // A CRIU that we ended ourselves did not fail.
            if (!context_.interrupts.pending()) explain(error);
            if (load != nullptr) load->explain(error);
            throw error.context("cannot restore '" + target_.text() + "'");
        }
    }

    void restore_files(int lock_fd, sys::Interrupts& interrupts) const {
        const store::Folders folders{choice_.location.path()};
        const store::Rootfs& kept = choice_.manifest.rootfs;
        const Path source = target_.adapter->layer(target_.container).value_or(kept.source);
        fs::restore_rootfs({fs::backend_from(kept.backend), kept.path, source, kept.mount_options}, folders.rootfs(),
                           lock_fd, interrupts);
        for (const store::Volume& volume : choice_.manifest.volumes)
            fs::restore_rootfs({fs::Backend::copy, volume.source, volume.source, ""}, folders.volumes() / volume.folder,
                               lock_fd, interrupts);
    }

    /// What was just killed may still be waiting to be reaped.
    void wait_for_pids() const {
        constexpr int kPidTimeoutMs = 10'000;
        std::set<pid_t> pids;
        for (const store::Task& task : choice_.manifest.tasks) pids.insert(task.pid);
        if (const std::optional<pid_t> taken = proc::wait_until_free(pids, kPidTimeoutMs))
            throw Error(Kind::busy,
                        fmt::format("pid {}, which the target must get back, is taken by another process, as "
                                    "its own pid, process group or session",
                                    *taken))
                .hint("end that process, then restore again");
    }

    int restore_tree() {
        if (has_host_pids() && request_.new_pid_namespace) {
            warnings_.emplace_back(
                "it has its old pids in a pid namespace of its own, with a mount namespace for its /proc: it can't be "
                "dumped again");
            context_.progress.warn(warnings_.back());
            return restore_into_new_pids(criu_, choice_.manifest, plan_, context_.interrupts);
        }
        if (has_host_pids()) wait_for_pids();
        const sys::UniqueFd images = sys::open_path(plan_.images, O_RDONLY | O_DIRECTORY);
        const sys::UniqueFd logs = sys::open_path(plan_.logs, O_RDONLY | O_DIRECTORY);
        criu::rpc::Options options;
        options.set_images_dir_fd(images.get());
        options.set_work_dir_fd(logs.get());
        options.set_log_file(plan_.log_name);
        options.set_log_level(kFullLog);
        options.set_lazy_pages(plan_.lazy);
        criu::apply(choice_.manifest.criu_options, criu_.version, options);
        if (const std::string text = criu::configuration(choice_.manifest.criu_options); !text.empty()) {
            const Path file = plan_.logs / (plan_.log_name + ".conf");
            sys::write_file_atomically(file, text, 0600);
            options.set_config_file(file);
        }
        const proc::Orphans orphans;
        try {
            return criu::restore(
                criu_, options, plan_.logs / plan_.log_name, [](criu::Event&) {}, context_.interrupts);
        } catch (const Error&) {
            orphans.end_all();  // what a CRIU that died half way has made
            throw;
        }
    }

    Context& context_;
    const RestoreRequest& request_;
    const Clock::time_point began_ = Clock::now();
    Target target_;
    std::optional<store::ContainerLock> own_lock_;  ///< unless the caller holds one
    Choice choice_;
    criu::Binary criu_;
    runtime::RestorePlan plan_;
    std::optional<PlainImages> images_;
    std::optional<RecreatedNetwork> network_;
    long long running_us_ = 0;
    long long away_us_ = 0;
    std::vector<std::string> warnings_;
};

}  // namespace

RestoreReport restore(Context& context, const RestoreRequest& request) {
    require_root();
    return Restore(context, request).run();
}

}  // namespace stasis::ops
