#include "lib/ops/move.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "lib/base/as_errors.h"
#include "lib/base/error.h"
#include "lib/fs/changes.h"
#include "lib/fs/survey.h"
#include "lib/inspect/look.h"
#include "lib/move/files.h"
#include "lib/move/tree.h"
#include "lib/ops/announce.h"
#include "lib/ops/copy_progress.h"
#include "lib/ops/dump.h"
#include "lib/ops/file_capture.h"
#include "lib/ops/live_tasks.h"
#include "lib/ops/move_end.h"
#include "lib/ops/page_lender.h"
#include "lib/ops/record_network.h"
#include "lib/pages/lazy.h"

namespace stasis::ops {
namespace {

using move::Frame;

/// How long the target is asked again what became of a move whose link was lost.
constexpr auto kSettleTime = std::chrono::seconds(60);
/// The same where the answer changes nothing here: it is to clean up at once rather than at the next move.
constexpr auto kCleanUpTime = std::chrono::seconds(15);

/// Where copies of the memory lie until the images have links to them; the target knows them by this name.
constexpr const char* kAhead = "ahead";

/// Folders of its own are kept here for a way back; the other host has them in their places already.
store::Manifest without_folders(store::Manifest manifest) {
    manifest.volumes.clear();
    std::erase_if(manifest.files, [](const auto& file) { return file.first.starts_with("volumes/"); });
    return manifest;
}

/// The source's part of one move, as the dump's escort.
class Departure : public Escort {
  public:
    Departure(Context& context, const MoveRequest& request, const Target& target)
        : context_(context), request_(request), target_(target) {}

    void connect() {
        phases_.begin("connect");
        context_.progress.step("connecting to " + request_.to.host);
        link_.emplace(request_.to, context_.interrupts);
        channel().limit(request_.bytes_per_second);
        if (request_.compress) channel().compress();
    }

    bool keeps_memory() const override { return mode_ == MoveMode::post_copy; }

    void looked(const Examination& found, const store::Manifest& draft) override {
        phases_.begin("check");
        forget_arrival();
        choose_mode(found);
        context_.progress.step("looking at " + request_.to.host);
        move::Offer offer = make_offer(target_, found, draft, request_.files);
        if (keeps_memory()) offer_no_memory(offer);
        id_ = offer.id();
        std::vector<std::uint64_t> sizes{offer.rootfs_bytes()};
        for (const move::Place& volume : offer.volumes()) sizes.push_back(volume.bytes());
        HostCheck check = ask(channel(), std::move(offer), context_.interrupts);
        add_own_findings(target_, found, request_.files, check);
        if (!check.problems.empty()) refuse(check.problems);
        accepted_ = true;
        for (const std::string& warning : check.warnings) warn(warning);

        network_ = found.described.lasting_network;
        find_places(found.described);
        phases_.begin("files");
        const std::string copying = "copying its files to " + request_.to.host;
        context_.progress.step(copying);
        copy_began_ = fs::Before::look(own_files(found.described)).time;
        written_ = inspect::written_files(found.seen.tasks);
        for (std::uint32_t i = 0; i < places_.size(); ++i) {
            CopyProgress progress(context_.progress, copying, sizes[i]);
            move::send_tree(channel(),
                            {places_[i].source, i, true, {}, [&](std::uint64_t bytes) { progress.at(bytes); }},
                            context_.interrupts);
        }
    }

    std::optional<pages::Parent> copy_ahead(const Examination& found, const store::Folders& folders) override {
        if (mode_ != MoveMode::pre_copy) return std::nullopt;
        phases_.begin("memory ahead");
        context_.progress.step("copying its memory ahead");
        ahead_.emplace(context_, channel(), *pages::layout_of(found.criu->version));
        ahead_->run(found, folders.root / kAhead, request_.max_downtime);
        return ahead_->take_parent();
    }

    void freezing() override {
        phases_.begin("prepare");
        was_told_ = true;
        run_hook(request_.hooks.before, {"before", target_.text(), request_.to.host, ""}, &context_.interrupts);
        channel().limit(0);  // who stands still is in a hurry
        bytes_before_ = channel().sent_bytes();
        phases_.begin("dump");
        frozen_since_ = Clock::now();
    }

    void frozen(const runtime::Description& described, const store::Folders& folders) override {
        phases_.begin("last changes");
        context_.progress.step("sending what it is");
        move::FileSender(channel(), "images/", context_.interrupts).send_rest(folders.images());
        sys::remove_tree(folders.root / kAhead);  // the images have links to it
        written_.merge(inspect::written_files(proc::tree_of(described.init.pid, proc::all_processes())));
        for (std::uint32_t i = 0; i < places_.size(); ++i)
            move::send_tree(channel(), {.from = places_[i].source, .place = i, .suspects = suspects(places_[i])},
                            context_.interrupts);
        // The other host reads what lies on the storage of both.
        if (request_.files.shared) sync_files(described);
        if (keeps_memory()) {
            memory_left_ = pages::lazy_bytes(folders.images());
            lender_.emplace(channel(), live_tasks(described.init), [this](std::uint64_t bytes) { say_given(bytes); });
        }
        phases_.begin("seal");
    }

    void sealed(const store::Manifest& manifest) override {
        phases_.begin("restore");
        context_.progress.step("restoring it on " + request_.to.host);
        Frame frame;
        frame.mutable_prepare()->set_manifest(store::to_text(without_folders(manifest)));
        channel().send(frame, context_.interrupts);
        if (lender_)
            lend_memory();
        else
            (void)channel().expect(Frame::kReady, context_.interrupts);
        move_ = {id_, store::MoveState::leaving, request_.to.host, manifest.checkpoint, {}, Json()};
        store::write_move(context_.store, target_.runtime(), target_.container, move_);
        leaving_ = true;
        phases_.begin("end it here");
    }

    void gone() noexcept override {
        try {
            as_errors([&] {
                if (!leaving_) throw Error(Kind::failed, "it died here before '" + request_.to.host + "' had it");
                // Not before it is dead: should we be killed, nobody would have it speak again.
                if (is_network_by_path(network_)) try_to([&] { fall_silent(network_); });
                sys::Interrupts uninterrupted = sys::Interrupts::none();
                phases_.begin("let it go there");
                Frame go;
                (void)go.mutable_go();
                channel().send(go, uninterrupted);
                const move::Runs runs = channel().expect(Frame::kRuns, uninterrupted).runs();
                arrived(runs.pid());
                memory_follows_ = runs.memory_follows() || loaded_at_.has_value();
            });
        } catch (const Error& error) {
            lost_ = error;
            link_->explain(*lost_);
        }
        bytes_sent_ = channel().sent_bytes();
        if (!lender_) bytes_frozen_ = bytes_sent_ - bytes_before_;
    }

    /// The dump is over, and the target is dead.
    MoveReport finish(const DumpReport& dumped) {
        if (!arrived_) find_out(dumped.checkpoint);
        phases_.begin("clean up");
        try {
            for (const std::string& warning : leave(context_, target_, move_, request_.keep_source)) warn(warning);
        } catch (const Error& error) {
            warn("it runs there, but what it left here could not be removed: " + error.message());
        }
        tell_end("moved");
        MoveReport report;
        report.lazy = memory_follows_;
        if (!loaded_at_ && memory_follows_) phases_.begin("memory behind");
        if (!loaded_at_ && await_memory()) loaded_at_ = Clock::now();
        if (loaded_at_) report.loaded_us = microseconds_between(frozen_since_, *loaded_at_);
        report.target = target_.text();
        report.host = request_.to.host;
        report.mode = to_string(mode_);
        if (ahead_) report.rounds = ahead_->rounds();
        phases_.end();
        report.phases = phases_.ended();
        report.pid = pid_;
        report.downtime_us = microseconds_between(frozen_since_, runs_since_.value());
        report.bytes_sent = bytes_sent_;
        report.bytes_sent_frozen = bytes_frozen_;
        report.options = dumped.options;
        for (const inspect::Warning& warning : dumped.warnings) report.warnings.push_back(warning.text);
        report.warnings.insert(report.warnings.end(), warnings_.begin(), warnings_.end());
        return report;
    }

    /// The dump failed, and the target runs on here: nothing of it may stay there.
    void call_off(Error& error) {
        // Once it runs there, a restore here must know.
        if (leaving_ && !arrived_) store::forget_move(context_.store, target_.runtime(), target_.container);

        if (!link_) return;
        keep_their_log(error);
        link_->explain(error);
        const bool cleaned = channel().was_given_up() || (!channel().is_lost() && say_so(error));
        link_.reset();
        if (accepted_ && !cleaned && !settle(kCleanUpTime, false))
            context_.progress.warn(
                "'" + request_.to.host +
                "' could not be told to remove what came; the next move of this container there does");
    }

    /// Who was told of the beginning is told of the end.
    void tell_end(const std::string& result) {
        if (!std::exchange(was_told_, false)) return;
        try_to([&] { run_hook(request_.hooks.after, {"after", target_.text(), request_.to.host, result}, nullptr); });
    }

  private:
    /// What is sent: its root file system, and its volumes.
    void find_places(const runtime::Description& described) {
        if (request_.files.shared) return;
        places_.push_back({own_files(described), "/"});
        for (const runtime::BindMount& volume : request_.files.folders_of(described)) places_.push_back(volume);
    }

    /// What may differ there although it looks the same.
    std::vector<std::string> suspects(const runtime::BindMount& place) const {
        std::vector<std::string> paths = fs::survey(place.source, copy_began_).changed;
        const std::string inside = place.destination == "/" ? "" : place.destination.substr(1) + "/";
        for (const std::string& path : written_)
            if (path.starts_with(inside)) paths.push_back(path.substr(inside.size()));
        return paths;
    }

    static void sync_files(const runtime::Description& described) {
        std::set<std::string> folders{described.rootfs};
        for (const runtime::BindMount& volume : described.volumes) folders.insert(volume.source);
        for (const std::string& folder : folders) sys::sync_file_system(sys::open_path(folder, O_RDONLY).get(), folder);
    }

    void choose_mode(const Examination& found) {
        /// Less is sent at once sooner than in rounds.
        constexpr std::uint64_t kWorthRounds = 64 << 20;
        const bool can = pages::layout_of(found.criu->version).has_value();
        mode_ = request_.mode;
        if (mode_ == MoveMode::automatic)
            mode_ = can && found.seen.memory_bytes >= kWorthRounds ? MoveMode::pre_copy : MoveMode::stop_copy;
        if (mode_ == MoveMode::post_copy && move::agree(link_->peer()) < move::kProtocolOfTrials)
            throw Error(Kind::failed, "the stasis on '" + request_.to.host + "' is too old for --mode post-copy")
                .hint("install the version of this host there, or move it by another mode");
        if (mode_ == MoveMode::pre_copy && !can)
            throw Error(Kind::failed, "its memory can't be copied ahead: stasis does not know how CRIU " +
                                          found.criu->version.text() + " hands it over")
                .hint("move it with --mode stop-copy");
    }

    /// No disk there needs room for its memory.
    void offer_no_memory(move::Offer& offer) {
        offer.set_memory_follows(true);
        offer.set_memory_bytes(0);
        warn("until all its memory is there, each of the hosts and the link between them can end it: should only '" +
             request_.to.host + "' or the link fail, it goes on here as it was when it was frozen");
    }

    void say_given(std::uint64_t bytes) {
        const std::uint64_t percent =
            std::min<std::uint64_t>(bytes * 100 / std::max<std::uint64_t>(memory_left_, 1), 100);
        if (percent == std::exchange(percent_given_, percent)) return;
        context_.progress.step(fmt::format("it runs on {}, its memory follows: {} %", request_.to.host, percent));
    }

    /// It runs there while it stands still here, until all its memory was asked for.
    void lend_memory() {
        (void)lender_->expect(Frame::kReady, context_.interrupts);
        Frame trial;
        (void)trial.mutable_trial();
        channel().send(trial, context_.interrupts);
        (void)lender_->expect(Frame::kRuns, context_.interrupts);
        runs_since_ = Clock::now();
        phases_.begin("memory behind");
        bytes_frozen_ = channel().sent_bytes() - bytes_before_;
        channel().limit(request_.bytes_per_second);
        try {
            (void)lender_->expect(Frame::kLoaded, context_.interrupts);
        } catch (Error& error) {
            std::vector<std::string> details = error.details();
            details.push_back(
                fmt::format("{} of {} MiB of its memory were there", lender_->bytes() >> 20, memory_left_ >> 20));
            throw error.details(details);
        }
        loaded_at_ = Clock::now();
    }

    /// It runs there, and nothing there depends on us: until all its memory is in, if we hear of that.
    /// Throws where it was killed there, because the rest of its memory could not be brought.
    bool await_memory() {
        if (!memory_follows_) return true;
        context_.progress.step("it runs on " + request_.to.host + ", its memory follows");
        try {
            (void)channel().expect(Frame::kLoaded, context_.interrupts);
            return true;
        } catch (Error& error) {
            if (channel().was_given_up())
                throw error.kind(Kind::target_changed)
                    .context("'" + target_.text() + "' arrived on '" + request_.to.host + "', but did not stay up")
                    .hint("its state is kept there: run `stasis restore " + target_.text() + "` there");
            warn("it runs there; whether all its memory is in was not heard: " + error.message());
            return false;
        }
    }

    /// What it was brought back from when it came here may have outlived a receiver that was killed. It is long out of
    /// date.
    void forget_arrival() const {
        const auto move = store::read_move(context_.store, target_.runtime(), target_.container);
        if (move && move->state == store::MoveState::arrived)
            store::remove(context_.store.location(target_.runtime(), target_.container, move->checkpoint));
    }

    /// What is not done is no reason to break off.
    template <typename Step>
    void try_to(Step step) {
        try {
            step();
        } catch (const Error& error) {
            warn(error.message());
        }
    }

    void warn(const std::string& text) {
        warnings_.push_back(text);
        context_.progress.warn(text);
    }

    move::Channel& channel() { return link_->channel(); }

    /// What CRIU wrote there, beside what it wrote here.
    void keep_their_log(Error& error) {
        if (channel().their_log().empty() || error.log().empty()) return;
        const Path log = Path(error.log()).replace_filename("restore-there.log");
        try_to([&] { sys::write_new_file(log, channel().their_log(), 0600); });
        error.log(log);
    }

    /// Tells the target that it is over. True once that has removed everything, and says so by giving up itself.
    bool say_so(const Error& error) {
        sys::Interrupts soon(Clock::now() + kCleanUpTime);
        try {
            channel().send(move::to_frame(error), soon);
            for (;;) (void)channel().receive(soon);
        } catch (const Error&) {
            return channel().was_given_up();
        }
    }

    void refuse(const std::vector<HostCheck::Problem>& problems) const {
        std::vector<std::string> lines;
        for (const HostCheck::Problem& problem : problems)
            lines.push_back(problem.what + (problem.remedy.empty() ? "" : " (" + problem.remedy + ")"));
        throw Error(Kind::damaged,
                    "'" + target_.text() + "' can't be moved to '" + request_.to.host + "'; nothing was touched")
            .details(lines)
            .hint("put right what is listed, then try again; `stasis check " + target_.text() + " --host " +
                  request_.to.host + "` looks without moving");
    }

    void arrived(int pid) {
        pid_ = pid;
        arrived_ = true;
        if (!runs_since_) runs_since_ = Clock::now();
    }

    std::optional<move::Settled> settle(std::chrono::seconds time, bool source_is_dead) {
        return ask_what_became(request_.to, id_, target_, source_is_dead, time);
    }

    /// Whether "go" arrived. Returns where it did; else throws, with the target restored here or, where nobody knows,
    /// its state left where it is.
    void find_out(const std::string& checkpoint) {
        context_.progress.step("asking " + request_.to.host + " whether it runs there");
        link_.reset();
        const std::optional<move::Settled> answer = settle(kSettleTime, true);
        if (!answer)
            throw lost_->kind(Kind::target_changed)
                .context("'" + target_.text() + "' was ended here, and '" + request_.to.host +
                         "' does not say whether it runs there")
                .hint(
                    "when it can be reached, the same command with --recover asks it, and brings it back here where "
                    "it does not run there");
        if (answer->runs()) return arrived(answer->pid());
        store::forget_move(context_.store, target_.runtime(), target_.container);
        try {
            as_errors([&] { (void)come_back(context_, target_, checkpoint); });
        } catch (Error& error) {
            throw error.kind(Kind::target_changed).context("it did not arrive, and can't be brought back here");
        }
        throw lost_->hint("it was brought back here from its state, and runs on; try again");
    }

    Context& context_;
    const MoveRequest& request_;
    const Target& target_;
    std::string id_;
    std::optional<move::Link> link_;
    Phases phases_;
    MoveMode mode_ = MoveMode::stop_copy;
    std::optional<MemoryAhead> ahead_;
    std::vector<runtime::BindMount> places_;
    Path network_;  ///< that outlives it, if there is one

    timespec copy_began_{};
    std::set<std::string> written_;  ///< seen from its root, when the copy began and at the freeze
    std::vector<std::string> warnings_;
    bool was_told_ = false;  ///< the hook
    bool accepted_ = false;  ///< something of it may be there
    store::MoveRecord move_;
    bool leaving_ = false;  ///< it is restored there, and the record here says so
    bool arrived_ = false;
    bool memory_follows_ = false;       ///< it ran before all of it was in
    std::optional<PageLender> lender_;  ///< of a post-copy, once the container stands still
    std::uint64_t memory_left_ = 0;     ///< bytes that are to follow then
    std::uint64_t percent_given_ = 0;
    std::optional<Clock::time_point> loaded_at_;
    std::optional<Error> lost_;  ///< why its arrival is not known
    int pid_ = 0;
    Clock::time_point frozen_since_;
    std::optional<Clock::time_point> runs_since_;  ///< there
    std::uint64_t bytes_before_ = 0;
    std::uint64_t bytes_frozen_ = 0;
    std::uint64_t bytes_sent_ = 0;
};

}  // namespace

std::string to_string(MoveMode mode) {
    switch (mode) {
        case MoveMode::automatic: return "auto";
        case MoveMode::stop_copy: return "stop-copy";
        case MoveMode::pre_copy: return "pre-copy";
        case MoveMode::post_copy: return "post-copy";
    }
    return "";
}

MoveMode move_mode_from(const std::string& text) {
    for (const MoveMode mode : {MoveMode::automatic, MoveMode::stop_copy, MoveMode::pre_copy, MoveMode::post_copy})
        if (text == to_string(mode)) return mode;
    throw Error(Kind::usage, "'" + text + "' is not a mode").hint("there are auto, stop-copy, pre-copy and post-copy");
}

MoveReport move_to_host(Context& context, const MoveRequest& request) {
    require_root();
    if (request.mode == MoveMode::post_copy && request.keep_source)
        throw Error(Kind::usage, "post-copy leaves no state here that --keep-source could keep");
    const Clock::time_point began = Clock::now();
    const Target target = resolve(context, request.target);
    require_restorable(target);
    Departure departure(context, request, target);
    departure.connect();
    DumpRequest stop;
    stop.target = target.text();
    stop.kind = DumpKind::stop;
    stop.wishes = request.wishes;
    stop.wishes.leaves_host = true;
    stop.wishes.keep_rootfs = false;  // it stays here as it is when the target is dead
    stop.wishes.keep_memory = request.mode != MoveMode::post_copy;
    stop.escort = &departure;
    std::optional<DumpReport> dumped;
    try {
        dumped = dump(context, stop);
    } catch (Error& error) {
        departure.call_off(error);
        departure.tell_end("failed");
        throw;
    }
    try {
        MoveReport report = as_errors([&] { return departure.finish(*dumped); });
        report.total_us = microseconds_between(began, Clock::now());
        return report;
    } catch (const Error&) {
        departure.tell_end("failed");
        throw;
    }
}

}  // namespace stasis::ops
