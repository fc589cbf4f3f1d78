#pragma once

#include <atomic>
#include <exception>
#include <future>
#include <thread>

#include "lib/base/error.h"
#include "lib/pages/images.h"
#include "lib/pages/live.h"
#include "lib/sys/fd.h"
#include "lib/sys/interrupts.h"

namespace stasis::pages {

/// Takes the memory of a target from CRIU while the target stands still, and writes it when it runs again: what CRIU
/// would do with a file costs two to three times as long. Where there is more than fits, it is written at once.
///
/// In this order: give socket() to CRIU, leave_to_criu(), wait_until_ready(), (CRIU dumps), finish(), write().
class Receiver {
  public:
    /// Takes `expected` bytes of memory at once and `capacity` at most. Throws system_error.
    Receiver(const sys::Path& images, Layout layout, std::size_t expected, std::size_t capacity, Savings savings = {});
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;
    /// Ends the conversation; a CRIU in the middle of it fails and rolls back.
    ~Receiver();

    /// CRIU's end, for its `ps.fd`.
    int socket() const { return theirs_.get(); }
    /// Closes CRIU's end here: kept open, a crash of CRIU would never become an end of file.
    void leave_to_criu() { theirs_.reset(); }
    /// Until the memory is there: the target must not stand still for that. Throws what Interrupts::check() throws.
    void wait_until_ready(sys::Interrupts& interrupts);
    /// For `pre-dump`, with `track_mem` among CRIU's options: notes from here on what the tasks write, and copies the
    /// memory that they have, so that CRIU needs to send the rest alone. Returns how much it is; where there is no
    /// room for it, it does nothing and returns 0. Throws what Interrupts::check() throws.
    std::uint64_t copy_ahead(const std::vector<LiveTask>& tasks, sys::Interrupts& interrupts);
    /// CRIU failed: where that was because we did, says so in its error.
    void explain(Error& error);
    /// For `post-dump`, when CRIU has sent its last page: throws what went wrong, Kind::failed. A CRIU that has not
    /// said so within seconds never will.
    void finish();
    /// Writes what was received.
    void write(sys::Interrupts& interrupts);
    /// The memory that was taken for it, in bytes; after finish().
    std::size_t memory() const { return arena_.peak(); }
    /// After write(): what is known of the images without reading them.
    const FileRecords& records() const { return images_.records(); }
    /// After write(): are pages of an earlier checkpoint shared?
    bool has_parent() const { return images_.has_parent(); }

  private:
    void prefault(std::size_t expected);
    void serve();
    bool read(std::span<std::byte> bytes, int limit_ms);
    void read_promised(std::span<std::byte> bytes);
    void answer(std::span<const std::byte> bytes);
    void take_pages(std::uint64_t bytes);

    Layout layout_;
    Arena arena_;
    Images images_;
    sys::UniqueFd ours_;
    sys::UniqueFd theirs_;
    std::atomic<bool> unwanted_ = false;  ///< nobody waits for the memory any more
    std::promise<void> prefaulted_;
    std::future<void> ready_;
    std::promise<void> served_;
    std::future<void> done_;
    std::exception_ptr failure_;
    bool was_left_ = false;  ///< CRIU, or who waits for its pages, was the first to go
    std::thread thread_;
};

}  // namespace stasis::pages
