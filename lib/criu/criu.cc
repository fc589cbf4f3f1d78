#include "lib/criu/criu.h"

#include <fcntl.h>

#include <cstdlib>
#include <cstring>

#include "lib/base/error.h"
#include "lib/criu/log.h"
#include "lib/sys/child.h"
#include "proto/criu_stats.pb.h"

namespace stasis::criu {
namespace {

std::string locate_binary() {
    if (const char* chosen = std::getenv("STASIS_CRIU"); chosen != nullptr && *chosen != '\0') return chosen;
    if (::access(kPrivateBinary, X_OK) == 0) return kPrivateBinary;
    return "criu";
}

/// The full path, so that runtimes which look for `criu` in PATH can be given its folder.
sys::Path resolve_in_path(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    if (const std::optional<sys::Path> found = sys::find_program(name)) return *found;
    throw Error(Kind::precondition, "there is no CRIU on this host")
        .hint("run scripts/setup, install the package criu, or name one with STASIS_CRIU=/path/to/criu");
}

/// CRIU went away without an answer: its log, else what it printed, tells why.
Error died(const Swrk& criu, const sys::Path& log, const std::string& where) {
    Error error(Kind::failed, "CRIU ended without an answer " + where);
    const std::string printed = criu.output();
    if (!printed.empty()) error.details({sys::first_line(printed)});
    error.log(log).hint("run `stasis check` to see whether this CRIU works on this kernel");
    explain(error, log);
    return error;
}

Error refused(const rpc::Response& response, const sys::Path& log, const std::string& doing) {
    Error error(Kind::failed, "CRIU could not " + doing);
    // cr_errmsg is the first error that CRIU logged, rarely the cause: only where there is no log.
    if (response.has_cr_errmsg() && !is_harmless(response.cr_errmsg())) error.details({response.cr_errmsg()});
    error.log(log);
    explain(error, log);
    return error;
}

/// May an interrupt be the answer to a notification? CRIU then rolls a dump back. A restore is beyond that:
/// it goes on, and only a CRIU that says nothing more is ended.
enum class Rollback { possible, impossible };

/// How long after an interrupt CRIU may take to say something. A dump has to reach its next notification, and
/// writing memory to a slow disk is the longest way there; a restore that breaks off has nothing to lose.
std::chrono::seconds grace_for(Rollback rollback) {
    return std::chrono::seconds(rollback == Rollback::possible ? 60 : 2);
}

/// Sends `request`, serves notifications, returns the final response.
class Conversation {
  public:
    Conversation(Swrk& criu, sys::Path log, const OnEvent& on_event, sys::Interrupts& interrupts,
                 Rollback rollback = Rollback::possible)
        : criu_(criu), log_(std::move(log)), on_event_(on_event), interrupts_(interrupts), rollback_(rollback) {}

    rpc::Response run(const rpc::Request& request, const std::string& doing) {
        criu_.send(request);
        return finish(request.type(), doing);
    }

    /// The same once the request is sent.
    rpc::Response finish(rpc::RequestType asked, const std::string& doing) {
        std::string last = "at its start";
        for (;;) {
            std::optional<Packet> packet = criu_.receive(interrupts_, grace_for(rollback_));
            if (!packet) {
                if (refusal_) std::rethrow_exception(refusal_);
                if (!committed_) interrupts_.check();
                throw died(criu_, log_, last);
            }
            const rpc::Response& response = packet->response;
            if (response.type() == rpc::NOTIFY) {
                last = "after '" + response.notify().script() + "'";
                answer(*packet);
                continue;
            }
            if (!response.success()) {
                if (refusal_) std::rethrow_exception(refusal_);
                throw refused(response, log_, doing);
            }
            if (response.type() != asked)
                throw Error(Kind::failed, "CRIU answered another question than the one asked").log(log_);
            return response;
        }
    }

    Clock::time_point first_answer() const { return first_answer_; }
    /// Was `post-dump` acknowledged?
    bool committed() const { return committed_; }

  private:
    void answer(Packet& packet) {
        Event event{packet.response.notify().script(), packet.response.notify().pid(), std::move(packet.descriptor)};
        rpc::Request reply;
        reply.set_type(rpc::NOTIFY);
        reply.set_notify_success(true);
        try {
            if (refusal_)
                reply.set_notify_success(false);
            else {
                if (!committed_ && rollback_ == Rollback::possible) interrupts_.check();
                on_event_(event);
            }
        } catch (...) {
            refusal_ = std::current_exception();
            reply.set_notify_success(false);
        }
        if (event.script == "post-dump" && !refusal_) committed_ = true;
        if (first_answer_ == Clock::time_point()) first_answer_ = Clock::now();
        criu_.send(reply);
    }

    Swrk& criu_;
    sys::Path log_;
    const OnEvent& on_event_;
    sys::Interrupts& interrupts_;
    Rollback rollback_;
    std::exception_ptr refusal_;
    bool committed_ = false;
    Clock::time_point first_answer_;
};

}  // namespace

sys::Path binary_path() { return resolve_in_path(locate_binary()); }

BinaryQuery BinaryQuery::start() {
    const sys::Path path = binary_path();
    try {
        Swrk criu = Swrk::start(path, true);
        rpc::Request request;
        request.set_type(rpc::VERSION_REQUEST);
        criu.send(request);
        return {path, std::move(criu)};
    } catch (Error& error) {
        throw error.kind(Kind::precondition).context("'" + path.string() + "' does not work");
    }
}

Binary BinaryQuery::finish(sys::Interrupts& interrupts) {
    Binary binary{path_, {}};
    try {
        const OnEvent ignore = [](Event&) {};
        const rpc::Response response =
            Conversation(criu_, "", ignore, interrupts).finish(rpc::VERSION_REQUEST, "tell its version");
        binary.version = {response.version().major_number(), response.version().minor_number(),
                          response.version().sublevel()};
    } catch (Error& error) {
        if (interrupts.pending()) throw;  // a signal or the deadline: no fault of CRIU's
        throw error.kind(Kind::precondition).context("'" + binary.path.string() + "' does not work");
    }
    if (binary.version < kOldestSupported)
        throw Error(Kind::precondition, "CRIU " + binary.version.text() + " ('" + binary.path.string() +
                                            "') is too old: stasis needs " + kOldestSupported.text())
            .hint("run scripts/setup, which installs a newer one beside it");
    return binary;
}

Binary find_binary(sys::Interrupts& interrupts) { return BinaryQuery::start().finish(interrupts); }

void check(const Binary& criu, const sys::Path& work, sys::Interrupts& interrupts) {
    const sys::UniqueFd folder = sys::open_path(work, O_RDONLY | O_DIRECTORY);
    rpc::Request request;
    request.set_type(rpc::CHECK);
    // Up to 4.1.1 CHECK needs options with an images folder.
    request.mutable_opts()->set_images_dir_fd(folder.get());
    request.mutable_opts()->set_work_dir_fd(folder.get());
    request.mutable_opts()->set_log_file("check.log");
    try {
        Swrk process = Swrk::start(criu.path, true);
        const OnEvent ignore = [](Event&) {};
        (void)Conversation(process, work / "check.log", ignore, interrupts).run(request, "work on this kernel");
    } catch (Error& error) {
        if (interrupts.pending()) throw;  // a signal or the deadline: no fault of CRIU's
        throw error.kind(Kind::precondition).hint("a newer CRIU may: run scripts/setup");
    }
}

bool tracks_memory(const Binary& criu, sys::Interrupts& interrupts) {
    rpc::Request request;
    request.set_type(rpc::FEATURE_CHECK);
    request.mutable_features()->set_mem_track(true);
    Swrk process = Swrk::start(criu.path, true);
    const OnEvent ignore = [](Event&) {};
    return Conversation(process, "", ignore, interrupts).run(request, "tell its features").features().mem_track();
}

DumpTimes dump(const Binary& criu, rpc::Options options, const sys::Path& log, const OnEvent& on_event,
               sys::Interrupts& interrupts, const Equipment& equipment, const std::function<void()>& meanwhile) {
    rpc::Request request;
    request.set_type(rpc::DUMP);
    options.set_notify_scripts(true);
    *request.mutable_opts() = std::move(options);
    Swrk process = Swrk::start(criu.path, true, equipment);
    Conversation conversation(process, log, on_event, interrupts);
    process.send(request);
    if (meanwhile) meanwhile();
    (void)conversation.finish(rpc::DUMP, "dump the target");
    if (!conversation.committed())
        throw Error(Kind::failed, "CRIU ended the dump without asking at 'post-dump'").log(log);
    return {conversation.first_answer(), Clock::now()};
}

pid_t restore(const Binary& criu, rpc::Options options, const sys::Path& log, const OnEvent& on_event,
              sys::Interrupts& interrupts) {
    rpc::Request request;
    request.set_type(rpc::RESTORE);
    // A shell job must keep our session, group and terminal.
    const bool own_group = !options.shell_job();
    options.set_notify_scripts(true);
    *request.mutable_opts() = std::move(options);
    Swrk process = Swrk::start(criu.path, own_group);
    Conversation conversation(process, log, on_event, interrupts, Rollback::impossible);
    return conversation.run(request, "restore the target").restore().pid();
}

std::optional<DumpStats> read_dump_stats(const sys::Path& work) {
    // An image: two magic numbers and the length of one message, four bytes each, then the message.
    constexpr std::size_t kHeader = 12;
    const std::optional<std::string> bytes = sys::read_file_if_exists(work / "stats-dump");
    if (!bytes || bytes->size() < kHeader) return std::nullopt;
    stats::Stats parsed;
    if (!parsed.ParseFromArray(bytes->data() + kHeader, static_cast<int>(bytes->size() - kHeader))) return std::nullopt;
    return DumpStats{parsed.dump().freezing_time(), parsed.dump().frozen_time(),
                     static_cast<long long>(parsed.dump().pages_written())};
}

}  // namespace stasis::criu
