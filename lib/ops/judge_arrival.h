#pragma once

#include <optional>
#include <vector>

#include "lib/ops/context.h"
#include "lib/pages/protocol.h"
#include "proto/move.pb.h"

namespace stasis::ops {

/// A container that another host wants to move to this one.
struct Comer {
    const Target& target;
    const move::Offer& offer;
    const store::Manifest& draft;  ///< the checkpoint as far as the other host can say
    store::Folders folders;        ///< of the checkpoint that it will be here
    int lock_fd = -1;
    bool was_here = false;  ///< it was moved away from here: its files are its own
};

/// What was found out on the way, for when it comes.
struct Judgement {
    runtime::RestorePlan plan;
    std::optional<pages::Layout> layout;  ///< where memory follows
};

/// Where its files belong: its root file system, then its volumes.
std::vector<Path> places_of(const move::Offer& offer);

/// Puts all into `verdict` that is in the way of its move to this host. Throws Kind::interrupted.
Judgement judge_arrival(Context& context, const Comer& comer, move::Verdict& verdict);

}  // namespace stasis::ops
