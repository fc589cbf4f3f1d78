#pragma once

#include "lib/move/channel.h"
#include "lib/ops/context.h"
#include "lib/ops/hook.h"

namespace stasis::ops {

/// The target's end of a move (lib/ops/move.h), `stasis receive`: takes one container over from the stasis at the other
/// end of the channel, or settles what became of an earlier move. Whatever ends it before the source says "go" (the
/// link, a signal, a failure) removes all that came, as if nothing had been. Failures are told to the other end and
/// thrown. The first hook runs before this host is looked at: it may make what the container needs here. The last one
/// runs when the container runs here, or all that came of it was removed.
void receive(Context& context, move::Channel& channel, const Hooks& hooks);

}  // namespace stasis::ops
