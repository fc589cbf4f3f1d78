#pragma once

#include <optional>
#include <string>

#include "lib/sys/child.h"
#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::fs {

using sys::Path;

/// How one tree, which may be alive, is copied onto another. No symbolic link is followed in the one that may be alive.
/// Always kept: owners by number, modes, times to the nanosecond, hard links, ACLs, extended attributes, devices,
/// holes. Never crosses into another file system.
struct RsyncJob {
    Path from;
    Path to;
    /// Files that are the same there are hard-linked instead of copied.
    std::optional<Path> link_to{};
    /// Compare by content rather than by size and time, and delete what is not in `from`. It is `to` that may be alive.
    bool exact = false;
    /// Files may change and vanish while they are read (first pass on a live tree).
    bool live = false;
    /// A lock that rsync holds for as long as it runs, should we die; -1 for none.
    int lock_fd = -1;
};

/// An rsync at work.
class Rsync {
  public:
    static Rsync start(const RsyncJob& job);
    /// Waits for it; throws Kind::failed with its last words.
    void finish(sys::Interrupts& interrupts);

  private:
    Rsync(const RsyncJob& job, sys::Running running);
    std::string what_;
    bool live_;
    sys::Running running_;
};

/// Starts rsync and waits for it.
void rsync(const RsyncJob& job, sys::Interrupts& interrupts);

}  // namespace stasis::fs
