#pragma once

#include <string>

#include "lib/base/option.h"
#include "lib/inspect/scene.h"

namespace stasis::inspect {

/// What becomes of TCP connections.
enum class Tcp { keep, close, fail };

/// From "keep", "close" or "fail"; throws Kind::usage for anything else.
Tcp tcp_from(const std::string& name);

/// CRIU's options for this tree, each with what was seen that calls for it.
OptionList choose_options(const Scene& scene, Tcp tcp);

}  // namespace stasis::inspect
