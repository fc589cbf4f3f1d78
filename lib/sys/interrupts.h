#pragma once

#include <optional>

#include "lib/base/time.h"
#include "lib/sys/fd.h"

namespace stasis::sys {

/// The two ways in which the outside asks a running operation to stop: a signal (SIGINT, SIGTERM,
/// SIGHUP) and the deadline of --timeout. From construction on the three signals are blocked and
/// only noted, so that code can act on them where it is safe.
class Interrupts {
  public:
    explicit Interrupts(Deadline deadline);

    /// Becomes readable when a signal waits; for poll().
    int fd() const { return signals_.get(); }

    /// Milliseconds until the deadline for poll(): -1 without one, 0 when it has passed.
    int poll_timeout_ms() const;

    /// Has a signal arrived or the deadline passed? Stays true once it was.
    bool pending();

    /// Throws Kind::interrupted for a signal, Kind::failed for the deadline; else returns.
    void check();

  private:
    UniqueFd signals_;
    Deadline deadline_;
    std::optional<int> signal_;
};

}  // namespace stasis::sys
