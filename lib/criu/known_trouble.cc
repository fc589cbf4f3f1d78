#include "lib/criu/known_trouble.h"

#include <array>
#include <cstdio>

namespace stasis::criu {
namespace {

using Release = std::pair<int, int>;

constexpr Version kNever{1000, 0, 0};
constexpr Release kNoEnd{1000, 0};

enum class Whose { all, of_sockets, of_glibc };

struct Trouble {
    Version fixed_in;      ///< every CRIU before this one has it
    Release since;         ///< on this kernel and newer ones
    Release until;         ///< but not on this one and newer ones
    Release dumped_since;  ///< only with what was dumped under this kernel or a newer one; zeros: with anything
    Whose whose;
    const char* what;
};

constexpr std::array<Trouble, 4> kTroubles{{
    // Seen: 3.17.1 on 6.18, "Unexpected rt vDSO area bounds"; criu#2532 has it from 6.13 on.
    {{4, 1, 0}, {6, 13}, kNoEnd, {}, Whose::all, "does not start: it does not know the layout of this kernel's vDSO"},
    // Seen: 4.1.1 on 6.18, "Can't get 1:16 opt"; SO_PASSCRED is refused for inet sockets since 6.16.
    {{4, 2, 0},
     {6, 16},
     kNoEnd,
     {},
     Whose::of_sockets,
     "can't dump TCP and UDP sockets: this kernel refuses an option that it asks for"},
    // Seen: 4.1.1 on 7.2; criu#3002, criu#3003: 7.1 has no UDP-Lite any more, and collecting sockets fails.
    {{4, 2, 1},
     {7, 1},
     kNoEnd,
     {},
     Whose::all,
     "can't dump: it asks this kernel for UDP-Lite, which that does not have"},
    // Seen: dumped under 7.2, refused under 6.1. glibc registers the 33 bytes that 7.0 has (criu#3007); before 6.3 a
    // kernel takes 32 and nothing else, later ones take any length.
    {kNever,
     {0, 0},
     {6, 3},
     {7, 0},
     Whose::of_glibc,
     "can't restore programs with a newer GNU C library: their area for restartable sequences is longer than this "
     "kernel takes"},
}};

bool concerns(const Trouble& trouble, const TroubledBy& target) {
    if (trouble.whose == Whose::of_sockets) return target.sockets;
    if (trouble.whose == Whose::of_glibc) return target.glibc;
    return true;
}

}  // namespace

Release release_of(const std::string& kernel) {
    Release release{0, 0};
    (void)std::sscanf(kernel.c_str(), "%d.%d", &release.first, &release.second);
    return release;
}

std::vector<KnownTrouble> trouble_ahead(const Version& criu, const std::string& now, const std::string& then,
                                        const TroubledBy& target) {
    const Release dumped = release_of(now);
    const Release restored = release_of(then);
    std::vector<KnownTrouble> found;
    for (const Trouble& trouble : kTroubles) {
        const bool on_it = restored >= trouble.since && restored < trouble.until && dumped >= trouble.dumped_since;
        if (criu < trouble.fixed_in && on_it && concerns(trouble, target))
            found.push_back(
                {trouble.what, trouble.fixed_in == kNever ? std::nullopt : std::optional(trouble.fixed_in)});
    }
    return found;
}

std::vector<KnownTrouble> known_trouble(const Version& criu, const std::string& kernel, const TroubledBy& target) {
    return trouble_ahead(criu, kernel, kernel, target);
}

}  // namespace stasis::criu
