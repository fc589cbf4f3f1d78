#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "lib/move/link.h"
#include "lib/ops/ahead.h"
#include "lib/ops/examine.h"
#include "lib/ops/hook.h"
#include "lib/ops/host_check.h"
#include "lib/ops/phases.h"

namespace stasis::ops {

// A move, and what becomes of the container when something fails in it. "Source" is this host.
//
//   1. Both hosts are looked at; the files are copied while the container runs.      failure: it runs on here
//   2. CRIU freezes it; images and what changed of the files follow.                  failure: it is thawed here
//   3. Its stop state is sealed here. The target checks what came, restores it, holds
//      it before its first instruction, and says so.                                  failure: it is thawed here
//   4. CRIU is answered and kills it here.            failure: the next stasis here finds running or killed, with its
//   state
//   5. "Go": the target notes that it is its own, lets it go, and says so. Its memory may still follow then, from the
//   target's own disk.                                                       failure: see below
//   6. The stop state and what the runtime keeps of it are removed here.
//
// So there is no moment at which it can run on both: the target's runs after "go" alone, which is said when the
// source's is dead, and from step 3 on a sealed state is on this host's disk. A link that is lost before "go" has the
// target remove everything. One that is lost after it leaves open whether "go" arrived: then the source asks again over
// a new link, and the target's answer is final: it runs there, or has been removed there and is restored here. Where
// the target can't be asked, nobody knows but it: the state stays here, and the failure is Kind::target_changed.
// Memory that still follows does not need the link. Where what brings it is killed, so is the target, before it sees
// what is missing; its sealed state stays there, to be restored again: Kind::target_changed as well.
//
// Post-copy is another order, as no disk has the memory: between 3 and 4 the target lets the container go, on trial,
// and asks for its memory, which the source reads from the tasks that stand still. When all is in the target says so,
// and only then is CRIU answered; "go" makes the container the target's as ever. A link that is lost before that has
// the target end its own, and the source's is thawed: what it did there is lost. One that is lost after it has the
// target hold its own still, until the source is asked or asks: that one alone knows whether it killed the container.

enum class MoveMode {
    automatic,  ///< pre_copy where there is memory enough for it to pay, and stasis knows how this CRIU hands it over
    stop_copy,  ///< memory is sent while it stands still
    pre_copy,   ///< memory is sent while it runs, and what has changed while it stands still
    post_copy,  ///< memory is sent while it runs there; its downtime does not depend on how much that is
};

std::string to_string(MoveMode mode);
/// Throws Kind::usage for what is none.
MoveMode move_mode_from(const std::string& text);

struct MoveRequest {
    std::string target;
    move::Destination to;
    MoveMode mode = MoveMode::automatic;
    std::chrono::milliseconds max_downtime{300};  ///< at which pre_copy aims
    std::uint64_t bytes_per_second = 0;           ///< of what is sent while it runs; 0 for as many as the link takes
    bool compress = false;                        ///< what goes over the link
    /// The first runs just before it is frozen, the last when it runs there, or will not; of the other host's hooks,
    /// see receive().
    Hooks hooks;
    MoveFiles files;
    bool keep_source = false;  ///< its stop state and what its runtime knows of it stay here
    Wishes wishes;
};

struct MoveReport {
    std::string target;
    std::string host;
    std::string mode;
    int pid = 0;                ///< there
    long long downtime_us = 0;  ///< from the freeze to the other host's word that it runs
    bool lazy = false;          ///< did it run before all its memory was in?
    /// From the freeze until all its memory was in; nothing where that was not heard.
    std::optional<long long> loaded_us;
    long long total_us = 0;
    std::vector<MemoryAhead::Round> rounds;  ///< of a pre_copy
    std::vector<Phases::Phase> phases;       ///< what total_us was spent on
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_sent_frozen = 0;  ///< of these, while it stood still
    OptionList options;
    std::vector<std::string> warnings;
};

/// Moves a running container to another host. Throws Kind::damaged where the other host does not fit, with everything
/// in which it does not; for other failures see above.
MoveReport move_to_host(Context& context, const MoveRequest& request);

}  // namespace stasis::ops
