#pragma once

#include <optional>

#include "lib/base/error.h"
#include "lib/criu/criu.h"
#include "lib/inspect/look.h"
#include "lib/ops/context.h"

namespace stasis::ops {

/// What a user wants of a dump, as far as it decides whether the dump can be made.
struct Wishes {
    bool keeps_running = true;  ///< a snapshot; false for a stop
    inspect::Tcp tcp = inspect::Tcp::keep;
    OptionList criu_options;        ///< --criu-option: instead of those that stasis chose
    bool drop_exec = false;         ///< go on although exec'd processes will be missing
    bool keep_rootfs = true;        ///< --rootfs auto|none
    bool keep_volumes = false;      ///< --with-volumes
    bool leaves_host = false;       ///< of a move: what a reboot takes away is no matter
    bool keep_memory = true;        ///< false: of a post-copy, where it never lies on a disk
    std::optional<Path> directory;  ///< --dir: a plain directory instead of the store
};

/// A live target: what its runtime says, and what was seen in it.
struct Examination {
    runtime::Description described;
    inspect::Look seen;
    OptionList options;  ///< all of CRIU's options for it, the user's own last
    std::optional<criu::Binary> criu;
    std::optional<Error> no_criu;    ///< why there is none; a blocker as well
    std::uint64_t needed_bytes = 0;  ///< about what is kept of its memory and its files takes on disk
    Path folder;                     ///< where that will lie, or the nearest folder above that is there already
};

/// Looks at a target without stopping it. Blockers hold everything that is in the way of a dump: what CRIU
/// can't do, a store without room or within the container's own files, a CRIU too old for the kernel.
/// Throws Kind::not_found or Kind::failed where there is no running target.
Examination examine(Context& context, const Target& target, const Wishes& wishes);

/// Throws Kind::failed with everything that is in the way at once; `ignored`: with what may not even be tried.
void refuse_blocked(const Target& target, const Examination& found, bool ignored);

}  // namespace stasis::ops
