#pragma once

#include <CLI/CLI.hpp>

#include "cmd/command.h"
#include "lib/ops/dump.h"

namespace stasis {

/// The options that snapshot and stateful-stop share.
void add_dump_options(CLI::App& command, ops::DumpRequest& request, bool& explain);

/// Runs one dump and prints its result as text; returns it as JSON.
Json run_dump(Session& session, const Globals& globals, const ops::DumpRequest& request, bool explain);

}  // namespace stasis
