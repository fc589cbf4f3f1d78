#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lib/sys/child.h"

namespace stasis::sys {

/// What is to be known of a run of several commands while it goes on.
struct SideBySide {
    std::size_t jobs = 1;  ///< at most so many at once
    /// A command begins; its place in the list.
    std::function<void(std::size_t)> on_start;
    /// A command has ended. False: those under way are waited for, no other is begun.
    std::function<bool(std::size_t, RunResult)> on_end;
};

/// Runs the commands in their order and waits for their end. A signal or the deadline of `interrupts` is passed on as
/// SIGTERM to those under way, which are waited for all the same; no other is begun then. None is ever killed.
/// A command that could not be started ends with neither exit code nor signal, and why in `err`.
void run_side_by_side(const std::vector<Command>& commands, const SideBySide& how, Interrupts& interrupts);

}  // namespace stasis::sys
