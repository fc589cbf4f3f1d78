#pragma once

#include <optional>
#include <string>
#include <utility>

namespace stasis::proc {

/// Calls `look`, with what a link says, between two reads of it, until both say the same: then what was seen is of
/// that. A shell has another file as its output for the time of one `echo`. `look` says whether it saw more than the
/// link: else there is nothing to be compared. False where the link is gone.
template <typename Read, typename Look>
bool look_steadily(Read read, Look look) {
    constexpr int kMostTries = 100;
    std::optional<std::string> before = read();
    for (int tries = 0; before && tries < kMostTries; ++tries) {
        if (!look(*before)) break;
        std::optional<std::string> after = read();
        if (after == before) break;
        before = std::move(after);
    }
    return before.has_value();
}

}  // namespace stasis::proc
