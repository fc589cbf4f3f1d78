#pragma once

#include <compare>
#include <string>

namespace stasis::criu {

/// CRIU's version as the VERSION request tells it.
struct Version {
    int major_number = 0;
    int minor_number = 0;
    int sublevel = 0;

    auto operator<=>(const Version&) const = default;
    std::string text() const;
    /// Reads "4.2.1" or "4.2"; throws Kind::damaged for anything else.
    static Version parse(const std::string& text);
};

/// CRIU ignores RPC fields that it doesn't know without a word, so each newer field is gated by
/// the version that brought it (read in CRIU's sources).
constexpr Version kOldestSupported{3, 17, 0};
constexpr Version kNetworkLockSkip{3, 19, 0};

}  // namespace stasis::criu
