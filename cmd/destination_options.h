#pragma once

#include <CLI/CLI.hpp>

#include "lib/move/link.h"

namespace stasis {

/// How another host is reached: move-to-host and check share these options.
std::vector<CLI::Option*> add_destination(CLI::App& command, move::Destination& to);

}  // namespace stasis
