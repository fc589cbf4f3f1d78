#include "lib/criu/log.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

namespace stasis::criu {
namespace {

/// Present in logs of runs that succeed.
constexpr std::array<std::string_view, 2> kHarmless{
    "rlimit: Can't setup RLIMIT_NOFILE",  // CAP_SYS_RESOURCE is missing
    "Dumping FAILED",                     // says only that it failed
};

}  // namespace

bool is_harmless(const std::string& line) {
    return std::any_of(kHarmless.begin(), kHarmless.end(),
                       [&](std::string_view text) { return line.find(text) != std::string::npos; });
}

std::vector<std::string> causal_lines(const sys::Path& log, std::size_t most) {
    std::vector<std::string> lines;
    std::istringstream stream(sys::read_file_if_exists(log).value_or(""));
    for (std::string line; std::getline(stream, line);)
        if (line.find("Error (") != std::string::npos && !is_harmless(line)) lines.push_back(line);
    if (lines.size() > most) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most));
    return lines;
}

}  // namespace stasis::criu
