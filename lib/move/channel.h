#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "lib/base/error.h"
#include "lib/move/frame.h"
#include "lib/sys/fd.h"
#include "lib/sys/interrupts.h"

namespace stasis::move {

/// A link that says nothing for kSilence is lost. So that it never is silent, a thread of each end sends a
/// heartbeat every few seconds, whatever the end itself does meanwhile.
constexpr auto kHeartbeat = std::chrono::seconds(3);
constexpr auto kSilence = std::chrono::seconds(20);

/// Frames over two descriptors, which it owns. It reads while it writes, so that two ends that both
/// write never wait for each other.
class Channel {
  public:
    Channel(sys::UniqueFd in, sys::UniqueFd out);
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel();

    /// Both ends say who they are; returns what the other one said. Throws where they do not understand each other.
    Hello greet(sys::Interrupts& interrupts);

    /// Sends a frame, and waits until it is sent; one of a stream may be sent later. Throws Kind::failed where the link
    /// is lost, and what Interrupts::check() throws.
    void send(const Frame& frame, sys::Interrupts& interrupts);

    /// The next frame that is no heartbeat. A Failure of the other end is thrown as the Error that it was.
    Frame receive(sys::Interrupts& interrupts);
    /// The same; throws where it is another one than expected.
    Frame expect(Frame::ContentCase expected, sys::Interrupts& interrupts);

    /// What another descriptor and the link are waited for together.
    struct Ready {
        short events = 0;    ///< of the descriptor, as poll() says them
        bool frame = false;  ///< receive() need not wait
    };
    /// Waits for `events` of `fd`, or, where `want_frame`, for a frame. Sends meanwhile what could not be sent yet.
    Ready wait_beside(int fd, short events, bool want_frame, sys::Interrupts& interrupts);

    /// Why nothing more comes: the link is lost, or the other end said that it gives up.
    bool is_lost() const { return lost_; }
    bool was_given_up() const { return given_up_; }
    /// The log that came with why the other end gave up, if one did.
    const std::string& their_log() const { return their_log_; }

    /// Bytes that were sent.
    std::uint64_t sent_bytes();

    /// From now on streams take no more bytes a second than that; 0 for as many as the link takes.
    void limit(std::uint64_t bytes_per_second) { limit_ = bytes_per_second; }
    /// From now on streams are compressed.
    void compress() { compress_ = true; }

  private:
    bool flush();
    void beat();
    bool take_bytes();
    [[noreturn]] void lose();
    [[noreturn]] void give_up(const Failure& failure);
    bool flush_or_lose();
    void pace(std::size_t bytes, sys::Interrupts& interrupts);
    std::size_t unsent_bytes();
    short wait(int fd, short events, bool for_input, bool for_room, sys::Interrupts& interrupts);

    sys::UniqueFd in_;
    sys::UniqueFd out_;
    FrameReader reader_{true};
    std::deque<Frame> frames_;
    bool lost_ = false;
    bool given_up_ = false;
    std::string their_log_;
    bool compress_ = false;
    std::uint64_t limit_ = 0;
    Clock::time_point next_;   ///< when more may be sent
    std::size_t unread_ = 0;   ///< bytes that frames_ takes
    Clock::time_point heard_;  ///< when the other end last said something, or when we began to listen

    std::mutex mutex_;  ///< of all that follows: the thread sends as well
    std::condition_variable ended_;
    bool ending_ = false;
    std::string unsent_;
    std::size_t at_ = 0;   ///< what of it lies before was sent
    bool broken_ = false;  ///< nothing can be sent any more
    std::uint64_t sent_bytes_ = 0;
    bool quiet_ = true;  ///< nothing was sent since the last look
    std::thread heartbeat_;
};

/// For a frame that is another one than what can come now.
Error unexpected();

/// The Error as a frame, and the frame as an Error.
Frame to_frame(const Error& error);
Error to_error(const Failure& failure);

}  // namespace stasis::move
