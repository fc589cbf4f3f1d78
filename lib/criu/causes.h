#pragma once

#include <array>
#include <span>
#include <string_view>

namespace stasis::criu {

/// A reason for which CRIU fails, told by what it logs then.
struct Cause {
    std::array<std::string_view, 2> texts;  ///< parts of one line of the log; both must be there, the second may be ""
    std::string_view meaning;               ///< what it means to an admin, as a clause without a full stop
    std::string_view remedy;                ///< what an admin can do about it, likewise
    bool transient = false;                 ///< passes by itself: the same dump may work a moment later
};

/// All known causes. Where a log tells of several, the earliest one here counts: what is often just
/// a consequence of something else stands last.
std::span<const Cause> causes();

/// Does this line of a log tell of the cause?
bool tells_of(std::string_view line, const Cause& cause);

}  // namespace stasis::criu
