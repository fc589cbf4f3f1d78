#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "lib/ops/hook.h"

namespace stasis {

/// --PREFIXpre-hook and --PREFIXpost-hook: of move-to-host, for both hosts, and of the receiving end.
void add_hooks(CLI::App& command, const std::string& prefix, ops::Hook& before, ops::Hook& after);

}  // namespace stasis
