#pragma once

#include <CLI/CLI.hpp>

#include "cmd/command.h"
#include "lib/ops/all.h"

namespace stasis {

/// The options of a command that takes all targets; they stand apart in its help.
void add_all_options(CLI::App& command, ops::AllRequest& request, bool& all);

/// How this command is run for one target: as it was called, with its own options, but for those of
/// add_all_options().
std::vector<std::string> command_for_one(const Globals& globals, const CLI::App& command);

/// What a run of stasis with --json said when it failed.
Error error_of(const sys::RunResult& ended);

/// Prints what became of each target, then throws where one failed or did not have its turn: Kind::target_changed
/// where one is not as it was, what Interrupts::check() throws, else Kind::failed. `what`: "stopped".
void report_all(Session& session, const Globals& globals, const std::vector<ops::TargetResult>& results,
                const std::string& what);

}  // namespace stasis
