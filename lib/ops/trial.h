#pragma once

#include <functional>

#include "lib/move/channel.h"
#include "lib/ops/restore.h"
#include "lib/pages/protocol.h"

namespace stasis::ops {

/// The target's end of a post-copy: restores a container whose memory is still with the source, where it stands still;
/// says so, lets it run when the source wants it to, and returns its pid when all its memory is in.
///
/// Until then it is the source's: where this throws, it is dead here. Where we are killed, a process of its own kills
/// it, before it sees what is missing. `layout`: as this host's CRIU has it. request.restored is called before the
/// source is told, and `let_go`, which lets the restored tasks go on, when it wants them to.
int restore_on_trial(Context& context, move::Channel& channel, pages::Layout layout, RestoreRequest request,
                     const std::function<void(int pid)>& let_go);

/// That process: kills the container whose pid comes from the descriptor, once nobody holds the other end any more.
void guard_trial(int pids);

}  // namespace stasis::ops
