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

std::string utc_now() {
    constexpr long kNanosecondsInMillisecond = 1'000'000;
    std::timespec now{};
    (void)std::timespec_get(&now, TIME_UTC);
    return fmt::format("{}.{:03}Z", format_utc(now.tv_sec, "%Y-%m-%dT%H:%M:%S"),
                       now.tv_nsec / kNanosecondsInMillisecond);
}

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
