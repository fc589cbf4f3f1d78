#include "lib/criu/log.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <sstream>
#include <string_view>

namespace stasis::criu {
namespace {

/// Present in logs of runs that succeed (with 4.2.1 the first is the only error there), or empty talk.
constexpr std::array<std::string_view, 3> kHarmless{
    "rlimit: Can't setup RLIMIT_NOFILE",  // CAP_SYS_RESOURCE is missing
    "Dumping FAILED",                     // these say only that it failed
    "Restoring FAILED",
};

}  // namespace

bool is_harmless(const std::string& line) {
    return std::any_of(kHarmless.begin(), kHarmless.end(),
                       [&](std::string_view text) { return line.find(text) != std::string::npos; });
}

Diagnosis diagnose(const std::string& log, std::size_t most) {
    // What traces a process is told by a warning alone.
    std::vector<std::string> errors;
    std::vector<std::string> all;
    std::istringstream stream(log);
    for (std::string line; std::getline(stream, line);) {
        const bool error = line.find("Error (") != std::string::npos;
        if ((!error && line.find("Warn  (") == std::string::npos) || is_harmless(line)) continue;
        all.push_back(line);
        if (error) errors.push_back(line);
    }
    for (const Cause& cause : causes()) {
        Diagnosis found{&cause, {}};
        std::copy_if(all.begin(), all.end(), std::back_inserter(found.lines),
                     [&](const std::string& line) { return tells_of(line, cause); });
        if (found.lines.empty()) continue;
        if (found.lines.size() > most) found.lines.resize(most);
        return found;
    }
    if (errors.size() > most) errors.erase(errors.begin(), errors.end() - static_cast<std::ptrdiff_t>(most));
    return {nullptr, errors};
}

bool explain(Error& error, const sys::Path& log) {
    const std::optional<std::string> text = sys::read_file_if_exists(log);
    if (!text) return false;
    const Diagnosis found = diagnose(*text);
    if (!found.lines.empty()) error.details(found.lines);
    if (found.cause != nullptr) {
        error.cause(std::string(found.cause->meaning))
            .hint(std::string(found.cause->remedy))
            .transient(found.cause->transient);
        return true;
    }
    error.cause("none that stasis knows");
    if (error.hint().empty()) error.hint("`stasis bug-report TARGET` collects what is needed to find it");
    return false;
}

}  // namespace stasis::criu
