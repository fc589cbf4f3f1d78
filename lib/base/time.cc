#include "lib/base/time.h"

#include <array>
#include <cstdio>
#include <ctime>

#include <fmt/format.h>

namespace stasis {
namespace {

std::string format_utc(std::time_t now, const char* format) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), format, &parts);
    return text.data();
}

}  // namespace

Microseconds wall_clock() {
    return std::chrono::duration_cast<Microseconds>(std::chrono::system_clock::now().time_since_epoch());
}

std::string utc_text(Microseconds since_1970) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_1970);
    const auto rest = std::chrono::floor<std::chrono::milliseconds>(since_1970 - seconds);
    return fmt::format("{}.{:03}Z", format_utc(seconds.count(), "%Y-%m-%dT%H:%M:%S"), rest.count());
}

std::string utc_now() { return utc_text(wall_clock()); }

std::optional<Microseconds> parse_utc(const std::string& text) {
    std::tm parts{};
    const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == nullptr) return std::nullopt;
    int milliseconds = 0;  // before 0.1 there were none
    (void)std::sscanf(rest, ".%3dZ", &milliseconds);
    return std::chrono::seconds(::timegm(&parts)) + std::chrono::milliseconds(milliseconds);
}

std::string utc_stamp() { return format_utc(std::time(nullptr), "%Y%m%dT%H%M%SZ"); }

}  // namespace stasis
