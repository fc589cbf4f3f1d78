#include "lib/criu/known_trouble.h"

#include <array>
#include <cstdio>
#include <utility>

namespace stasis::criu {
namespace {

struct Trouble {
    Version fixed_in;           ///< every CRIU before this one has it
    std::pair<int, int> since;  ///< on this kernel and newer ones
    bool of_sockets;            ///< only targets with network sockets have it
    const char* what;
};

constexpr std::array<Trouble, 2> kTroubles{{
    // Seen: 3.17.1 on 6.18, "Unexpected rt vDSO area bounds"; criu#2532 has it from 6.13 on.
    {{4, 1, 0}, {6, 13}, false, "does not start: it does not know the layout of this kernel's vDSO"},
    // Seen: 4.1.1 on 6.18, "Can't get 1:16 opt"; SO_PASSCRED is refused for inet sockets since 6.16.
    {{4, 2, 0}, {6, 16}, true, "can't dump TCP and UDP sockets: this kernel refuses an option that it asks for"},
}};

}  // namespace

std::vector<std::string> known_trouble(const Version& criu, const std::string& kernel, bool with_sockets) {
    std::pair<int, int> running{0, 0};
    (void)std::sscanf(kernel.c_str(), "%d.%d", &running.first, &running.second);
    std::vector<std::string> found;
    for (const Trouble& trouble : kTroubles)
        if (criu < trouble.fixed_in && running >= trouble.since && (with_sockets || !trouble.of_sockets))
            found.emplace_back(trouble.what);
    return found;
}

}  // namespace stasis::criu
