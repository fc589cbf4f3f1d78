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

bool is_causal(const std::string& line) {
    return line.find("Error (") != std::string::npos &&
           std::none_of(kHarmless.begin(), kHarmless.end(),
                        [&](std::string_view text) { return line.find(text) != std::string::npos; });
}

}  // namespace

std::vector<std::string> causal_lines(const sys::Path& log, std::size_t most) {
    std::vector<std::string> lines;
    std::istringstream stream(sys::read_file_if_exists(log).value_or(""));
    for (std::string line; std::getline(stream, line);)
        if (is_causal(line)) lines.push_back(line);
    if (lines.size() > most) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most));
    return lines;
}

}  // namespace stasis::criu
