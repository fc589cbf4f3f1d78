#pragma once

#include <utility>

#include "lib/sys/fd.h"

namespace stasis::sys {

/// The two ends of a new stream, which no child inherits by itself. Throws Kind::failed.
std::pair<UniqueFd, UniqueFd> socket_pair();

}  // namespace stasis::sys
