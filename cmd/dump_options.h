#pragma once

#include <CLI/CLI.hpp>

#include "cmd/command.h"
#include "lib/ops/dump.h"

namespace stasis {

/// The options that decide whether a dump can be made: check has them as well.
void add_wishes(CLI::App& command, ops::Wishes& wishes);

/// Those of them that a move has, too: it writes nothing that is kept.
void add_move_wishes(CLI::App& command, ops::Wishes& wishes);

/// The options that snapshot and stateful-stop share.
void add_dump_options(CLI::App& command, ops::DumpRequest& request, bool& explain);

/// CRIU's options with their reasons, and warnings with their ids.
Json to_json(const OptionList& options);
Json to_json(const std::vector<inspect::Warning>& warnings);

/// "--key value" and why, for print_table().
std::vector<std::vector<std::string>> rows_of(const OptionList& options);

/// Runs one dump and prints its result as text; returns it as JSON.
Json run_dump(Session& session, const Globals& globals, const ops::DumpRequest& request, bool explain);

}  // namespace stasis
