#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/sys/interrupts.h"

namespace stasis::ops {

/// A program of the user's that is told of a move, with its arguments: for load balancers, networks, alarms.
using Hook = std::vector<std::string>;

/// Those of one host.
struct Hooks {
    Hook before;  ///< empty for none
    Hook after;
};

/// What a hook is told, in its environment.
struct HookNews {
    std::string moment;  ///< STASIS_HOOK: "before" or "after"
    std::string target;  ///< STASIS_TARGET: "runc:web1"
    std::string peer;    ///< STASIS_PEER: the other host
    std::string result;  ///< STASIS_RESULT, of an "after": "moved", or "failed" where it stays where it was
};

/// Runs it, if there is one, and waits for its end. Throws Kind::failed where it fails.
void run_hook(const Hook& hook, const HookNews& news, sys::Interrupts* interrupts);

}  // namespace stasis::ops
