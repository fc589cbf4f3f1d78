#include "lib/base/time.h"

#include <array>
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

std::string utc_now() {
    constexpr long kNanosecondsInMillisecond = 1'000'000;
    std::timespec now{};
    (void)std::timespec_get(&now, TIME_UTC);
    return fmt::format("{}.{:03}Z", format_utc(now.tv_sec, "%Y-%m-%dT%H:%M:%S"),
                       now.tv_nsec / kNanosecondsInMillisecond);
}

std::string utc_stamp() { return format_utc(std::time(nullptr), "%Y%m%dT%H%M%SZ"); }

}  // namespace stasis
