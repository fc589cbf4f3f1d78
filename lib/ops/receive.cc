#include "lib/ops/receive.h"

#include <fcntl.h>

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "lib/base/as_errors.h"
#include "lib/base/error.h"
#include "lib/base/version.h"
#include "lib/move/files.h"
#include "lib/move/tree.h"
#include "lib/ops/announce.h"
#include "lib/ops/judge_arrival.h"
#include "lib/ops/move_end.h"
#include "lib/ops/record_network.h"
#include "lib/ops/trial.h"

namespace stasis::ops {
namespace {

using move::Frame;

/// How much of CRIU's log the source gets.
constexpr std::size_t kMostOfLog = 1 << 20;
/// Less is read sooner than what reads it lazily is started.
constexpr std::uint64_t kLazyFrom = 32 << 20;

/// The topmost folder that must be made so that `path` is there; empty where it is.
Path to_be_made(const Path& path) {
    Path made;
    for (Path at = path; !std::filesystem::exists(at); at = at.parent_path()) made = at;
    return made;
}

/// What no restore takes that works: a slow disk reads so much in a second.
std::chrono::seconds restore_limit(std::uint64_t image_bytes) {
    constexpr std::uint64_t kBytesPerSecond = 32 << 20;
    return std::chrono::seconds(60 + image_bytes / kBytesPerSecond);
}

/// One container that comes.
class Arrival {
  public:
    Arrival(Context& context, move::Channel& channel, const move::Offer& offer, const Hooks& hooks)
        : context_(context),
          channel_(channel),
          offer_(offer),
          hooks_(hooks),
          draft_(store::parse_manifest(offer.manifest(), "the other host's offer")),
          target_(resolve(context, draft_.target())),
          lock_(context.store.lock(target_.runtime(), target_.container)) {}

    /// `log` gets what CRIU wrote in a restore that failed.
    void run(std::string& log) {
        clear_interrupted();
        partial_.emplace(
            store::Partial::begin(context_.store.location(target_.runtime(), target_.container, draft_.checkpoint)));
        try {
            as_errors([&] {
                if (!offer_.only_check()) run_hook(hooks_.before, news("before", ""), &context_.interrupts);
                if (judge())
                    take_over();
                else
                    give_up();
            });
        } catch (const Error&) {
            log = restore_log();
            give_up();
            throw;
        }
    }

  private:
    /// It is removed with all else, and the source is who needs it.
    std::string restore_log() const {
        try {
            const Path folder = partial_->folders().logs();
            for (const std::string& name : sys::list_directory(folder))
                if (name.starts_with("restore-") && name.ends_with(".log"))
                    return sys::read_end(folder / name, kMostOfLog);
        } catch (const Error&) {
            // What went wrong before is what matters.
        }
        return "";
    }

    HookNews news(const std::string& moment, const std::string& result) const {
        return {moment, target_.text(), draft_.host_name, result};
    }

    void tell_end(const std::string& result) {
        if (offer_.only_check() || std::exchange(was_told_, true)) return;
        try {
            run_hook(hooks_.after, news("after", result), nullptr);
        } catch (const Error& error) {
            context_.progress.warn(error.message());
        }
    }

    /// What a receiver that was killed has left.
    void clear_interrupted() {
        const auto read = [&] { return store::read_move(context_.store, target_.runtime(), target_.container); };
        known_ = read();
        // The source lives: it offers it.
        if (!known_ || !store::is_on_trial(known_->state) || is_another()) return;
        roll_back(context_, target_, *known_);
        known_ = read();
    }

    /// What came stands still until it is known that it ended there: what runs by the name is none of ours to remove.
    bool is_another() const {
        if (target_.adapter->status(target_.container) != runtime::Status::running) return false;
        try {
            const auto init = proc::read_stat(target_.adapter->describe(target_.container).init.pid);
            return init && init->state != 'T';
        } catch (const Error&) {
            return true;  // one that stasis could not have brought
        }
    }

    /// Says what is in the way; true where nothing is and the container comes.
    bool judge() {
        Frame answer;
        move::Verdict& verdict = *answer.mutable_verdict();
        verdict.set_stasis(kVersion);
        const bool was_here = known_ && known_->state == store::MoveState::left;
        judged_ =
            judge_arrival(context_, {target_, offer_, draft_, partial_->folders(), lock_.fd(), was_here}, verdict);
        channel_.send(answer, context_.interrupts);
        return verdict.problems().empty() && !offer_.only_check();
    }

    /// Where its files belong, which may be elsewhere once it was made.
    std::vector<Path> places() const {
        std::vector<Path> paths = places_of(offer_);
        if (layer_) paths.front() = *layer_;
        return paths;
    }

    void take_over() {
        begin_record();
        for (const Path& path : places()) std::filesystem::create_directories(path);
        for (;;) {
            const Frame frame = channel_.receive(context_.interrupts);
            if (frame.has_tree())
                receive_tree(frame.tree());
            else if (frame.has_file())
                receive_file(frame.file());
            else if (frame.has_sync())
                sync();
            else if (frame.has_prepare())
                return bring_up(frame.prepare());
            else
                throw move::unexpected();
        }
    }

    void receive_tree(const move::Tree& tree) {
        if (offer_.shared_storage() || tree.place() >= places().size())
            throw Error(Kind::failed, "the other host sent files that it did not offer");
        const Path place = places()[tree.place()];
        move::receive_tree(channel_, tree, place, lock_.fd(), context_.interrupts);
        // The source may delete its own when it runs here. After the first pass it runs on there, and the last one has
        // little left to write.
        sys::sync_file_system(sys::open_path(place, O_RDONLY | O_DIRECTORY).get(), place.native());
    }

    void begin_record() {
        move_.id = offer_.id();
        move_.peer = draft_.host_name;
        move_.checkpoint = draft_.checkpoint;
        move_.runtime_details = draft_.runtime_details;
        if (known_) move_.before.push_back(*known_);
        store::write_move(context_.store, target_.runtime(), target_.container, move_);
        recorded_ = true;
        (void)target_.adapter->make_again(judged_.plan);
        layer_ = target_.adapter->layer(target_.container);
        for (const Path& path : places())
            if (Path made = to_be_made(path); !made.empty()) move_.made.push_back(std::move(made));
        store::write_move(context_.store, target_.runtime(), target_.container, move_);
    }

    void receive_file(const move::File& file) {
        constexpr mode_t kSearchable = 0755;  // as the images, whose part they become
        const Path folder = Path(file.path()).parent_path();
        const Path root = partial_->folders().root;
        if (is_round(folder)) {
            sys::make_directory(root / folder.parent_path(), kSearchable);
            sys::make_directory(root / folder, kSearchable);
        } else if (folder != "images") {
            throw Error(Kind::failed, "the other host sent a file that is no image");
        }
        received_[file.path()] = move::receive_file(channel_, file, root, context_.interrupts);
    }

    static Path round_folder(std::size_t round) { return Path("ahead") / std::to_string(round); }
    bool is_round(const Path& folder) {
        if (folder == round_folder(rounds_ + 1)) ++rounds_;
        return rounds_ > 0 && folder == round_folder(rounds_);
    }

    void sync() {
        const Path root = partial_->folders().root;
        sys::sync_file_system(sys::open_path(root, O_RDONLY | O_DIRECTORY).get(), root.native());
        if (const Path files = places().front(); std::filesystem::exists(files))
            sys::sync_file_system(sys::open_path(files, O_RDONLY | O_DIRECTORY).get(), files.native());
        Frame done;
        (void)done.mutable_done();
        channel_.send(done, context_.interrupts);
    }

    /// What came in rounds becomes what the images share with earlier ones, the last round above all: where it belongs
    /// in the checkpoint. Which of it the checkpoint has, its files say.
    void take_rounds(const FileRecords& files) {
        const Path root = partial_->folders().root;
        Path folder = "images";
        for (; !records_below(files, (folder / "parent/").string()).empty(); --rounds_) {
            const Path from = round_folder(rounds_);
            folder /= "parent";
            std::filesystem::rename(root / from, root / folder);
            for (const std::string& name : sys::list_directory(root / folder))
                if (auto record = received_.extract((from / name).string())) {
                    record.key() = folder / name;
                    received_.insert(std::move(record));
                }
        }
        sys::remove_tree(root / "ahead");
    }

    void bring_up(const move::Prepare& prepare) {
        const std::uint64_t image_bytes = seal(store::parse_manifest(prepare.manifest(), "the other host's manifest"));
        RestoreRequest request;
        request.target = target_.text();
        request.name = draft_.checkpoint;
        request.verify = false;  // the seal has
        request.hold = true;
        request.lazy = image_bytes >= kLazyFrom;
        request.lock = &lock_;
        // The source stands still: a restore that hangs must not keep it so.
        std::optional<sys::StepLimit> limit(std::in_place, context_.interrupts, restore_limit(image_bytes),
                                            "the restore");
        if (offer_.memory_follows()) {
            request.restored = [&limit](int, bool) { limit.reset(); };
            const auto let_go = [this](int pid) { go_on(pid); };
            return take_from_source(
                restore_on_trial(context_, channel_, judged_.layout.value(), std::move(request), let_go));
        }
        request.restored = [this, &limit](int pid, bool lazy) {
            limit.reset();
            Frame ready;
            (void)ready.mutable_ready();
            channel_.send(ready, context_.interrupts);
            (void)channel_.expect(Frame::kGo, context_.interrupts);
            let_go(pid, lazy);
        };
        // Where its memory can't be brought any more after "go", it was killed: its state stays, and is restored again.
        (void)restore(context_, request);
        // A state that was used would bring back files that are long out of date.
        store::remove(context_.store.location(target_.runtime(), target_.container, draft_.checkpoint));
        Frame loaded;
        (void)loaded.mutable_loaded();
        tell(loaded);
    }

    /// All of it is here, and runs. Only the source knows whether it ends its own: where it does not say so any more,
    /// it is held here until that one is asked.
    void take_from_source(int pid) {
        sys::Interrupts uninterrupted = sys::Interrupts::none();
        move_.state = store::MoveState::loaded;
        store::write_move(context_.store, target_.runtime(), target_.container, move_);
        Frame loaded;
        (void)loaded.mutable_loaded();
        try {
            channel_.send(loaded, uninterrupted);
            (void)channel_.expect(Frame::kGo, uninterrupted);
        } catch (Error& error) {
            if (channel_.was_given_up()) throw;
            proc::stop_tree(pid);
            recorded_ = false;
            throw error.context("'" + target_.text() +
                                "' is whole here, and stopped until it is known that it ended on '" + draft_.host_name +
                                "'");
        }
        let_go(pid, false);
        store::remove(context_.store.location(target_.runtime(), target_.container, draft_.checkpoint));
    }

    std::uint64_t seal(store::Manifest manifest) {
        if (manifest.target() != draft_.target() || manifest.checkpoint != draft_.checkpoint)
            throw Error(Kind::failed, "the other host sent another container than it offered");
        const FileRecords expected = std::exchange(manifest.files, {});
        take_rounds(expected);
        partial_->seal(manifest, records_below(received_, "images/"), context_.interrupts);
        if (manifest.files != expected)
            throw Error(Kind::failed, "the images did not arrive as they were sent; nothing was lost")
                .hint("try again");
        return manifest.image_bytes;
    }

    /// The source is dead: from here on the container is ours, whatever happens.
    void let_go(int pid, bool lazy) {
        move_.state = store::MoveState::arrived;
        store::write_move(context_.store, target_.runtime(), target_.container, move_);
        recorded_ = false;
        go_on(pid);
        Frame runs;
        runs.mutable_runs()->set_pid(pid);
        runs.mutable_runs()->set_memory_follows(lazy);
        tell(runs);
        tell_end("moved");
    }

    /// From here on its addresses are to be found here.
    void go_on(int pid) {
        proc::continue_tree(pid);
        const Path network = draft_.lasting_network;
        try {
            if (is_network_by_path(network)) announce(network);
        } catch (const Error& error) {
            context_.progress.warn(error.message());
        }
    }

    /// A source whose link is lost asks again.
    void tell(const Frame& frame) {
        sys::Interrupts uninterrupted = sys::Interrupts::none();
        try {
            channel_.send(frame, uninterrupted);
        } catch (const Error&) {
            // What is so is so, whether it is heard or not.
        }
    }

    void give_up() {
        remove_all();
        tell_end("failed");
    }

    void remove_all() {
        if (partial_) partial_->discard();
        if (!recorded_) return;
        roll_back(context_, target_, move_);
        recorded_ = false;
    }

    Context& context_;
    move::Channel& channel_;
    const move::Offer& offer_;
    const Hooks& hooks_;
    bool was_told_ = false;  ///< the hook, of the end
    store::Manifest draft_;
    Target target_;
    store::ContainerLock lock_;
    std::optional<store::MoveRecord> known_;
    std::optional<store::Partial> partial_;
    Judgement judged_;
    std::optional<Path> layer_;  ///< for the files of its root, where its runtime mounts that
    FileRecords received_;       ///< by their names on the wire, or where they belong
    std::size_t rounds_ = 0;     ///< of memory that came ahead
    store::MoveRecord move_;
    bool recorded_ = false;
};

/// The lock, once a receiver whose link was lost has ended; nothing where the target has arrived, and who holds the
/// lock brings its memory.
std::optional<store::ContainerLock> lock_in_time(Context& context, const Target& target,
                                                 const std::function<bool()>& has_arrived) {
    constexpr auto kEnough = std::chrono::seconds(60);
    for (const Clock::time_point end = Clock::now() + kEnough;;) {
        try {
            return context.store.lock(target.runtime(), target.container);
        } catch (const Error& error) {
            if (error.kind() != Kind::busy || Clock::now() >= end) throw;
        }
        if (has_arrived()) return std::nullopt;
        context.interrupts.pause(std::chrono::milliseconds(50));
    }
}

void settle(Context& context, move::Channel& channel, const move::Settle& asked) {
    const Target target = resolve(context, asked.runtime() + ":" + asked.container());
    const auto read = [&]() -> std::optional<store::MoveRecord> {
        auto move = store::read_move(context.store, target.runtime(), target.container);
        return move && move->id == asked.id() ? move : std::nullopt;
    };
    const auto has_arrived = [&] {
        const auto move = read();
        return move && move->state == store::MoveState::arrived;
    };
    const std::optional<store::ContainerLock> lock = lock_in_time(context, target, has_arrived);
    std::optional<store::MoveRecord> move = read();
    if (move && move->state == store::MoveState::loaded) {
        move->state = asked.source_is_dead() ? store::MoveState::arrived : store::MoveState::arriving;
        store::write_move(context.store, target.runtime(), target.container, *move);
    }
    Frame answer;
    move::Settled& settled = *answer.mutable_settled();
    if (move && move->state == store::MoveState::arriving) roll_back(context, target, *move);
    if (move && move->state == store::MoveState::arrived) {
        settled.set_runs(true);
        const runtime::Status status = target.adapter->status(target.container);
        if (status == runtime::Status::running || status == runtime::Status::paused) {
            settled.set_pid(target.adapter->describe(target.container).init.pid);
            proc::continue_tree(settled.pid());  // it may have been killed just before
        }
        // Its memory may still come from it.
        if (lock) store::remove(context.store.location(target.runtime(), target.container, move->checkpoint));
    }
    channel.send(answer, context.interrupts);
}

/// As the source's user has to hear it.
void require_root_there() {
    try {
        require_root();
    } catch (Error& error) {
        throw error.hint("log in there as root, or give --sudo");
    }
}

}  // namespace

void receive(Context& context, move::Channel& channel, const Hooks& hooks) {
    std::string log;
    try {
        as_errors([&] {
            (void)channel.greet(context.interrupts);
            require_root_there();
            const Frame asked = channel.receive(context.interrupts);
            if (asked.has_offer())
                Arrival(context, channel, asked.offer(), hooks).run(log);
            else if (asked.has_settle())
                settle(context, channel, asked.settle());
            else
                throw move::unexpected();
        });
    } catch (const Error& error) {
        try {
            sys::Interrupts uninterrupted = sys::Interrupts::none();
            Frame failure = move::to_frame(error);
            failure.mutable_failure()->set_log(log);
            channel.send(failure, uninterrupted);
        } catch (const Error&) {
            // Nobody listens.
        }
        throw;
    }
}

}  // namespace stasis::ops
