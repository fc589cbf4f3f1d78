#include "lib/ops/move_end.h"

#include <fcntl.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/ops/announce.h"
#include "lib/ops/network_lock.h"
#include "lib/ops/record_network.h"
#include "lib/ops/settle.h"

namespace stasis::ops {
namespace {

/// The host's own network namespace, as a description names it.
constexpr const char* kOwnNetwork = "/proc/self/ns/net";
constexpr auto kBetweenTries = std::chrono::milliseconds(500);
/// How long recover_move() asks.
constexpr auto kAskTime = std::chrono::seconds(30);

Path dump_log(const store::Location& location) { return store::Folders{location.path()}.logs() / "dump.log"; }

/// A stop leaves a network that outlives its container closed to the peers of its connections. Here it would answer
/// them, and reset what goes on there. Returns what a user should know.
std::vector<std::string> leave_network(const store::Manifest& manifest, const store::Location& location) {
    const auto is_kept = [](const Option& option) { return option.key == "tcp-established"; };
    if (manifest.lasting_network.empty() ||
        std::none_of(manifest.criu_options.begin(), manifest.criu_options.end(), is_kept))
        return {};
    const sys::UniqueFd network(::open(manifest.lasting_network.c_str(), O_RDONLY | O_CLOEXEC));
    if (!network) return {};
    if (manifest.lasting_network != kOwnNetwork)
        return {"the network namespace '" + manifest.lasting_network +
                "' stays closed here, so that it does not reset the connections that were moved: remove it"};
    unlock_network(network.get(), dump_log(location));
    return {};
}

/// One recovery.
class Recovery {
  public:
    Recovery(Context& context, const RecoverRequest& request)
        : context_(context), request_(request), target_(resolve(context, request.target)) {}

    RecoverReport run() {
        // A move that is still at work holds it.
        std::optional<store::ContainerLock> lock(context_.store.lock(target_.runtime(), target_.container));
        const std::optional<store::MoveRecord> move =
            store::read_move(context_.store, target_.runtime(), target_.container);
        if (!move) return report("here", "no move of it was interrupted");
        switch (move->state) {
            case store::MoveState::arrived: return report("here", "it arrived here from '" + move->peer + "'");
            case store::MoveState::left: return report("there", "it was moved to '" + move->peer + "'");
            case store::MoveState::loaded:
                throw Error(Kind::failed, "'" + target_.text() + "' is whole here, but only '" + move->peer +
                                              "' knows whether it ended there; nothing was touched")
                    .hint("run the same command there, with the name of this host");
            case store::MoveState::arriving:
                roll_back(context_, target_, *move);
                return report("nowhere here",
                              "it never ran here; what had come of it was removed, and '" + move->peer + "' has it");
            case store::MoveState::leaving: break;
        }
        lock.reset();  // who brings it back takes it
        return settle_departure(*move);
    }

  private:
    RecoverReport report(const std::string& where, const std::string& what) const {
        return {target_.text(), where, what, {}};
    }

    RecoverReport settle_departure(const store::MoveRecord& move) {
        if (request_.to.host.empty())
            throw Error(Kind::usage,
                        "'" + target_.text() + "' was on its way to '" + move.peer + "', which must be asked")
                .hint("name that host, as for the move itself");
        context_.progress.step("asking " + request_.to.host + " whether it runs there");
        const runtime::Status status = target_.adapter->status(target_.container);
        const bool lives = status == runtime::Status::running || status == runtime::Status::paused;
        const std::optional<move::Settled> answer = ask_what_became(request_.to, move.id, target_, !lives, kAskTime);
        if (!answer)
            throw Error(Kind::failed, "'" + request_.to.host + "' does not say whether '" + target_.text() +
                                          "' runs there; nothing was touched")
                .hint("try again when it can be reached; where it is lost for good, `stasis restore " + target_.text() +
                      " " + move.checkpoint + " --ignore-misfit moved` brings it back here");
        if (answer->runs()) {
            RecoverReport result = report("there", "it had arrived there, and what it left here was removed");
            result.warnings = leave(context_, target_, move, request_.keep_source);
            return result;
        }
        if (lives) return stay(move);
        store::forget_move(context_.store, target_.runtime(), target_.container);
        (void)come_back(context_, target_, move.checkpoint);
        return report("here", "it had not arrived there, and was restored here");
    }

    /// It was not even killed: its stop state is none.
    RecoverReport stay(const store::MoveRecord& move) const {
        const store::ContainerLock lock = context_.store.lock(target_.runtime(), target_.container);
        const store::Location location = context_.store.location(target_.runtime(), target_.container, move.checkpoint);
        (void)Settlement(target_.adapter->describe(target_.container)).settle(dump_log(location), false);
        store::remove(location);
        store::forget_move(context_.store, target_.runtime(), target_.container);
        return report("here", "it had not left, and runs on here");
    }

    Context& context_;
    const RecoverRequest& request_;
    Target target_;
};

}  // namespace

std::optional<move::Settled> ask_what_became(const move::Destination& to, const std::string& id, const Target& target,
                                             bool source_is_dead, std::chrono::seconds time) {
    sys::Interrupts soon(Clock::now() + time);
    for (;;) {
        try {
            move::Link link(to, soon);
            move::Frame frame;
            frame.mutable_settle()->set_id(id);
            frame.mutable_settle()->set_runtime(target.runtime());
            frame.mutable_settle()->set_container(target.container);
            frame.mutable_settle()->set_source_is_dead(source_is_dead);
            link.channel().send(frame, soon);
            return link.channel().expect(move::Frame::kSettled, soon).settled();
        } catch (const Error&) {
            if (soon.pending()) return std::nullopt;
        }
        try {
            soon.pause(kBetweenTries);
        } catch (const Error&) {
            return std::nullopt;
        }
    }
}

std::vector<std::string> leave(Context& context, const Target& target, const store::MoveRecord& leaving, bool keep) {
    const store::ContainerLock lock = context.store.lock(target.runtime(), target.container);
    const store::Location location = context.store.location(target.runtime(), target.container, leaving.checkpoint);
    const store::Manifest manifest = store::read_manifest(location);
    store::write_move(context.store, target.runtime(), target.container,
                      {leaving.id, store::MoveState::left, leaving.peer, "", {}, Json()});
    std::vector<std::string> warnings = leave_network(manifest, location);
    if (keep) return warnings;
    store::remove(location);
    target.adapter->remove(target.container, manifest.runtime_details);
    return warnings;
}

RestoreReport come_back(Context& context, const Target& target, const std::string& checkpoint) {
    const store::Location location = context.store.location(target.runtime(), target.container, checkpoint);
    const Path network = store::read_manifest(location).lasting_network;
    try {
        if (is_network_by_path(network)) speak_again(network);
    } catch (const Error& error) {
        context.progress.warn(error.message());
    }
    RestoreRequest back;
    back.target = target.text();
    back.name = checkpoint;
    RestoreReport report = restore(context, back);
    store::remove(location);
    return report;
}

void roll_back(const Context& context, const Target& target, const store::MoveRecord& move) {
    target.adapter->remove(target.container, move.runtime_details);
    store::remove(context.store.location(target.runtime(), target.container, move.checkpoint));
    for (const Path& made : move.made) sys::remove_tree(made);
    store::forget_arrival(context.store, target.runtime(), target.container, move);
}

RecoverReport recover_move(Context& context, const RecoverRequest& request) {
    require_root();
    return Recovery(context, request).run();
}

}  // namespace stasis::ops
