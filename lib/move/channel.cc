#include "lib/move/channel.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/version.h"

namespace stasis::move {
namespace {

/// What may wait to be sent before send() waits as well.
constexpr std::size_t kMostUnsent = 1 << 20;
/// What the other end may send before we have looked at it: an rsync's requests for a large tree, or an attack.
constexpr std::size_t kMostUnread = 256 << 20;

/// What a frame takes while nobody has looked at it.
std::size_t cost(const Frame& frame) { return sizeof frame + frame.ByteSizeLong(); }

void set_nonblocking(int fd) { (void)::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

Channel::Channel(sys::UniqueFd in, sys::UniqueFd out) : in_(std::move(in)), out_(std::move(out)) {
    set_nonblocking(in_.get());
    set_nonblocking(out_.get());
    unsent_ = kGreeting;
    heartbeat_ = std::thread([this] { beat(); });
}

Channel::~Channel() {
    {
        const std::lock_guard hold(mutex_);
        ending_ = true;
    }
    ended_.notify_all();
    heartbeat_.join();
}

void Channel::beat() {
    Frame beat;
    (void)beat.mutable_heartbeat();
    std::unique_lock hold(mutex_);
    while (!ended_.wait_for(hold, kHeartbeat, [this] { return ending_; })) {
        // What waits to be sent tells as well that we live.
        if (std::exchange(quiet_, true) && unsent_.empty()) unsent_ = encode(beat);
        (void)flush();
    }
}

/// Sends what can be sent without waiting; true when nothing is left. The mutex is held.
bool Channel::flush() {
    while (at_ < unsent_.size() && !broken_) {
        const ssize_t count = ::write(out_.get(), unsent_.data() + at_, unsent_.size() - at_);
        if (count >= 0) {
            at_ += static_cast<std::size_t>(count);
            sent_bytes_ += static_cast<std::size_t>(count);
        }
        if (count < 0 && errno == EAGAIN) break;
        broken_ = count < 0 && errno != EINTR;
    }
    // Not for each piece: the rest would be copied again and again.
    if (at_ == unsent_.size() || at_ >= kMostUnsent) {
        unsent_.erase(0, at_);
        at_ = 0;
    }
    return unsent_.empty();
}

/// Takes what there is; false where there was nothing.
bool Channel::take_bytes() {
    std::array<char, kChunk> bytes;
    const ssize_t count = ::read(in_.get(), bytes.data(), bytes.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return false;
    if (count <= 0) lose();
    heard_ = Clock::now();
    reader_.feed({bytes.data(), static_cast<std::size_t>(count)});
    while (std::optional<Frame> frame = reader_.next()) {
        if (frame->has_heartbeat()) continue;
        unread_ += cost(*frame);
        frames_.push_back(std::move(*frame));
    }
    if (unread_ > kMostUnread) throw Error(Kind::failed, "the other host sends without end");
    return true;
}

/// The link is gone; what the other end said before it went may tell why.
void Channel::lose() {
    for (const Frame& frame : frames_)
        if (frame.has_failure()) give_up(frame.failure());
    lost_ = true;
    throw Error(Kind::failed, "the link to the other host is lost");
}

/// The same as flush(), for the end itself.
bool Channel::flush_or_lose() {
    {
        const std::lock_guard hold(mutex_);
        if (flush() || !broken_) return unsent_.empty();
    }
    // Whoever closed the link may have said why.
    while (take_bytes()) {
    }
    lose();
}

/// One poll(): for the descriptor of another, for what the other end says, for room to send.
short Channel::wait(int fd, short events, bool for_input, bool for_room, sys::Interrupts& interrupts) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(heard_ + kSilence - Clock::now());
    if (left.count() <= 0) {
        lost_ = true;
        throw Error(Kind::failed, "the link to the other host is lost").cause("it is silent");
    }
    int timeout = static_cast<int>(left.count());
    if (const int deadline = interrupts.poll_timeout_ms(); deadline >= 0) timeout = std::min(timeout, deadline);
    std::array<pollfd, 4> waits{pollfd{fd, events, 0}, pollfd{for_input ? in_.get() : -1, POLLIN, 0},
                                pollfd{for_room ? out_.get() : -1, POLLOUT, 0}, pollfd{interrupts.fd(), POLLIN, 0}};
    if (::poll(waits.data(), waits.size(), timeout) < 0 && errno != EINTR)
        throw system_error(errno, "wait for the other host");
    interrupts.check();
    if (waits[1].revents != 0) (void)take_bytes();
    return waits[0].revents;
}

/// Waits until so many bytes may follow those before them.
void Channel::pace(std::size_t bytes, sys::Interrupts& interrupts) {
    const auto now = Clock::now();
    if (next_ > now) interrupts.pause(std::chrono::ceil<std::chrono::milliseconds>(next_ - now));
    const std::chrono::duration<double> takes(static_cast<double>(bytes) / static_cast<double>(limit_));
    next_ = std::max(next_, now) + std::chrono::duration_cast<Clock::duration>(takes);
}

void Channel::send(const Frame& frame, sys::Interrupts& interrupts) {
    const std::string bytes = encode(frame, compress_);
    if (limit_ != 0 && frame.has_data()) pace(bytes.size(), interrupts);
    {
        const std::lock_guard hold(mutex_);
        unsent_ += bytes;
        quiet_ = false;
    }
    heard_ = Clock::now();
    // A stream goes on; any other frame is one that somebody waits for.
    const std::size_t may_wait = frame.has_data() ? kMostUnsent : 0;
    while (!flush_or_lose() && unsent_bytes() > may_wait) (void)wait(-1, 0, true, true, interrupts);
}

Channel::Ready Channel::wait_beside(int fd, short events, bool want_frame, sys::Interrupts& interrupts) {
    heard_ = Clock::now();
    for (Ready ready;;) {
        const bool all_sent = flush_or_lose();
        ready.frame = want_frame && !frames_.empty();
        if (ready.frame || ready.events != 0) return ready;
        // Who does not want a frame does not listen either: silence means nothing then.
        if (!want_frame) heard_ = Clock::now();
        ready.events = wait(fd, events, want_frame, !all_sent, interrupts);
    }
}

Frame Channel::receive(sys::Interrupts& interrupts) {
    if (frames_.empty()) (void)wait_beside(-1, 0, true, interrupts);
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    unread_ -= cost(frame);
    if (frame.has_failure()) give_up(frame.failure());
    return frame;
}

void Channel::give_up(const Failure& failure) {
    given_up_ = true;
    their_log_ = failure.log();
    throw to_error(failure);
}

std::size_t Channel::unsent_bytes() {
    const std::lock_guard hold(mutex_);
    return unsent_.size() - at_;
}

std::uint64_t Channel::sent_bytes() {
    const std::lock_guard hold(mutex_);
    return sent_bytes_;
}

Frame Channel::expect(Frame::ContentCase expected, sys::Interrupts& interrupts) {
    Frame frame = receive(interrupts);
    if (frame.content_case() != expected) throw unexpected();
    return frame;
}

Hello Channel::greet(sys::Interrupts& interrupts) {
    Frame ours;
    ours.mutable_hello()->set_newest(kProtocol);
    ours.mutable_hello()->set_oldest(kOldestProtocol);
    ours.mutable_hello()->set_stasis(kVersion);
    send(ours, interrupts);
    const Frame theirs = expect(Frame::kHello, interrupts);
    (void)agree(theirs.hello());
    return theirs.hello();
}

Error unexpected() { return {Kind::failed, "the other host sent another message than the one that was due"}; }

Frame to_frame(const Error& error) {
    Frame frame;
    Failure& failure = *frame.mutable_failure();
    failure.set_message(error.message());
    for (const std::string& line : error.details()) failure.add_details(line);
    failure.set_cause(error.cause());
    failure.set_hint(error.hint());
    failure.set_kind(error.kind() == Kind::damaged ? FAILURE_UNFIT
                     : error.kind() == Kind::busy  ? FAILURE_BUSY
                                                   : FAILURE_OTHER);
    return frame;
}

Error to_error(const Failure& failure) {
    const Kind kind = failure.kind() == FAILURE_UNFIT  ? Kind::damaged
                      : failure.kind() == FAILURE_BUSY ? Kind::busy
                                                       : Kind::failed;
    Error error(kind, "on the other host: " + printable(failure.message()));
    std::vector<std::string> details;
    for (const std::string& line : failure.details()) details.push_back(printable(line));
    return error.details(details).cause(printable(failure.cause())).hint(printable(failure.hint()));
}

}  // namespace stasis::move
