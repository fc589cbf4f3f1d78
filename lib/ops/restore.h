#pragma once

#include <functional>
#include <optional>
#include <string>

#include "lib/ops/context.h"

namespace stasis::ops {

struct RestoreRequest {
    std::string target;
    std::optional<std::string> name;
    std::optional<Path> directory;
    bool replace = false;  ///< kill what runs, once everything is verified
    bool verify = true;
    /// A bare tree gets its pids back in a pid namespace of its own; others have one of their own already.
    bool new_pid_namespace = false;
    bool recreate_network = false;  ///< make its network namespace again, where it was made by path and is gone
    bool lazy = false;              ///< run first, memory follows; where the host can't, all at once with a warning
    int page_socket = -1;           ///< of lazy: who has the memory, by CRIU's protocol, where the images do not
    std::optional<Path> console_socket;
    std::vector<std::string> ignored_misfits;  ///< of ignorable_misfits(), or "all"
    /// Leave it stopped before its first instruction (runtime::RestorePlan::hold).
    bool hold = false;
    /// Called with its first task's pid when it is restored, before the rest of a lazily restored target's memory is
    /// waited for. What it throws ends the restore; such a target is dead then.
    std::function<void(int pid, bool lazy)> restored = [](int, bool) {};
    const store::ContainerLock* lock = nullptr;  ///< where the caller has taken the container already
};

struct RestoreReport {
    std::string target;
    std::string checkpoint;
    Path path;
    int pid = 0;
    bool recreated_network = false;
    bool lazy = false;         ///< was it?
    long long running_us = 0;  ///< from the start of the command until the target ran
    long long total_us = 0;    ///< until all its memory was in
    long long away_us = 0;  ///< from the making of the checkpoint until it ran, by the time of day: so far that jumps
    std::vector<std::string> warnings;
};

/// Brings a target back as a checkpoint has it: files, then processes. Everything is verified
/// before anything is created, deleted or killed. The checkpoint is never consumed.
/// Throws Kind::busy when the target runs (without `replace`), Kind::damaged when the checkpoint
/// can't be trusted or doesn't fit this host, Kind::target_changed when the restore failed after
/// the running target had been killed for it, or when a lazily restored target was killed because the rest of
/// its memory could not be brought.
RestoreReport restore(Context& context, const RestoreRequest& request);

}  // namespace stasis::ops
