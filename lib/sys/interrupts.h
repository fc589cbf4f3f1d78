#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "lib/base/time.h"
#include "lib/sys/fd.h"

namespace stasis::sys {

/// The two ways in which the outside asks a running operation to stop: a signal (SIGINT, SIGTERM,
/// SIGHUP) and the deadline of --timeout. From construction on the three signals are blocked and
/// only noted, so that code can act on them where it is safe.
class Interrupts {
  public:
    explicit Interrupts(Deadline deadline);

    /// Never interrupts: for what must be done to its end once it is begun. Signals that an earlier
    /// one has blocked wait until that is asked again.
    static Interrupts none() { return Interrupts(); }

    /// Becomes readable when a signal waits; for poll(). -1, which poll() passes over, for none().
    int fd() const { return signals_.get(); }

    /// Milliseconds until the deadline for poll(): -1 without one, 0 when it has passed.
    int poll_timeout_ms() const;

    /// Has a signal arrived or the deadline passed? Stays true once it was.
    bool pending();

    /// Waits for so long, or throws as check() does when it is interrupted.
    void pause(std::chrono::milliseconds time);

    /// Throws Kind::interrupted for a signal, Kind::failed for the deadline; else returns.
    void check();

  private:
    friend class StepLimit;
    Interrupts() = default;

    UniqueFd signals_;
    Deadline deadline_;
    std::optional<int> signal_;
    std::string step_;  ///< whose deadline it is; empty for the whole operation
};

/// Gives one step a deadline of its own for as long as it lives; an earlier one stays.
class StepLimit {
  public:
    /// `step`: what did not end in time, for the error: "the restore".
    StepLimit(Interrupts& interrupts, std::chrono::seconds time, std::string step);
    StepLimit(const StepLimit&) = delete;
    StepLimit& operator=(const StepLimit&) = delete;
    ~StepLimit();

  private:
    Interrupts& interrupts_;
    Deadline before_;
};

}  // namespace stasis::sys
