#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "lib/move/link.h"
#include "lib/ops/restore.h"
#include "lib/store/move_record.h"

namespace stasis::ops {

// How a move ends: on the host that the container leaves once it is dead there, and on either where the move broke off.

/// What the other host says over a new link of the move `id`: its container runs there, or has been removed there.
/// `source_is_dead`: a post-copy that had all of it there is the other host's then. Nothing where it can't be asked in
/// time.
std::optional<move::Settled> ask_what_became(const move::Destination& to, const std::string& id, const Target& target,
                                             bool source_is_dead, std::chrono::seconds time);

/// It runs there: removes all of it here but its files, and records that it left. With `keep`, its stop state and what
/// its runtime knows of it stay as well. Returns what a user should know.
std::vector<std::string> leave(Context& context, const Target& target, const store::MoveRecord& leaving, bool keep);

/// It did not arrive, and is dead here: back from its sealed state, which is removed then.
RestoreReport come_back(Context& context, const Target& target, const std::string& checkpoint);

/// Everything of a move to here that did not come to its end: processes, images, files.
void roll_back(const Context& context, const Target& target, const store::MoveRecord& move);

struct RecoverRequest {
    std::string target;
    move::Destination to;  ///< where it was moved to; without a host for a move to here
    bool keep_source = false;
};

/// Where a container of an interrupted move is now.
struct RecoverReport {
    std::string target;
    std::string where;  ///< "here", "there", or "nowhere here" for one that never arrived here
    std::string what;   ///< what was done, a sentence
    std::vector<std::string> warnings;
};

/// Settles a move that a crash of either host has interrupted: afterwards one host has the container, and the other
/// one is clean. Throws Kind::failed where the other host can't be asked.
RecoverReport recover_move(Context& context, const RecoverRequest& request);

}  // namespace stasis::ops
