#pragma once

#include <string>

#include "cmd/command.h"
#include "lib/move/link.h"
#include "lib/ops/examine.h"
#include "lib/ops/host_check.h"

namespace stasis {

struct CheckOptions {
    std::string target;
    bool all = false;      ///< all that run, rather than one
    std::string kernel;    ///< of --for-kernel
    move::Destination to;  ///< also whether it can be moved there; none without a host
    ops::MoveFiles files;
    ops::Wishes wishes;
    bool stop = false;
    bool explain = false;
};

/// `stasis check TARGET`, and `move-to-host --dry-run`: prints what is in the way; returns the exit code.
int check_target(const Globals& globals, CheckOptions& options);

}  // namespace stasis
