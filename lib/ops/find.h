#pragma once

#include <optional>
#include <string>

#include "lib/ops/context.h"

namespace stasis::ops {

/// A checkpoint that a command works on.
struct Choice {
    store::Location location;
    store::Manifest manifest;
};

/// The checkpoint `name` of a target; without a name its newest stop state; with `directory` the
/// one that lies there. Throws Kind::not_found, naming what there is, or Kind::damaged.
Choice choose_checkpoint(const Context& context, const Target& target, const std::optional<std::string>& name,
                         const std::optional<Path>& directory);

/// Verifies a checkpoint; throws Kind::damaged with everything that is wrong with it.
void verify_or_throw(Context& context, const Choice& choice);

}  // namespace stasis::ops
