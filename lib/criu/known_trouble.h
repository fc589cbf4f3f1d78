#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/criu/version.h"

namespace stasis::criu {

/// What of a target decides whether a trouble is one of its own.
struct TroubledBy {
    bool sockets = false;  ///< it has TCP, UDP or other network sockets
    bool glibc = false;    ///< a task of it runs with the GNU C library
};

/// What a CRIU is known not to do on a kernel.
struct KnownTrouble {
    std::string what;                 ///< a clause about CRIU or the kernel
    std::optional<Version> fixed_in;  ///< the CRIU that does it; nothing where only another kernel helps
};

/// Release numbers of a kernel ("6.12.3-amd64"); zeros where it has none.
std::pair<int, int> release_of(const std::string& kernel);

/// What this CRIU is known not to do on this kernel.
std::vector<KnownTrouble> known_trouble(const Version& criu, const std::string& kernel, const TroubledBy& target);

/// The same for what is dumped under kernel `now`, restored under kernel `then`, and to be dumped there again.
std::vector<KnownTrouble> trouble_ahead(const Version& criu, const std::string& now, const std::string& then,
                                        const TroubledBy& target);

}  // namespace stasis::criu
