#pragma once

#include "lib/proc/process.h"

namespace stasis::proc {

/// While it lives (several may, one within the other), processes that lose their parent come to us rather than to init,
/// if they descend from us. A restore that breaks off leaves half-made tasks, which hold pids, cgroups and sockets that
/// the next try needs; this is the way to find them all, whatever their names and pids.
class Orphans {
  public:
    Orphans();
    Orphans(const Orphans&) = delete;
    Orphans& operator=(const Orphans&) = delete;
    ~Orphans();

    /// Kills and reaps all children that we did not have at the beginning, and theirs.
    void end_all() const;

    /// Kills them and all their descendants, and waits until they have ended, but reaps none: for a thread beside
    /// one that waits for its children.
    void kill_all() const;

  private:
    /// The children that we did not have at the beginning.
    std::vector<Stat> new_children() const;

    int was_reaper_ = 0;
    std::vector<Stat> before_;
};

/// The children of a process.
std::vector<Stat> children_of(pid_t parent);

/// The signal that ended a process which is a zombie now; nothing for all others.
std::optional<int> ended_by_signal(pid_t pid);

}  // namespace stasis::proc
