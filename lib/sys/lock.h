#pragma once

#include <optional>

#include "lib/sys/file.h"

namespace stasis::sys {

/// An exclusive flock on `path`, held until the descriptor is closed (also by the end of the
/// process, however it comes). Nothing where another process holds it. With `create`, a missing
/// file is made with mode 0600; directories must exist.
std::optional<UniqueFd> try_lock(const Path& path, bool create);

/// The same for an existing path, waiting for it where another process holds it for a moment.
UniqueFd wait_for_lock(const Path& path);

}  // namespace stasis::sys
