#include "lib/base/time.h"

#include <array>
#include <ctime>

namespace stasis {
namespace {

std::string format_utc(const char* format) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), format, &parts);
    return text.data();
}

}  // namespace

std::string utc_now() { return format_utc("%Y-%m-%dT%H:%M:%SZ"); }

std::string utc_stamp() { return format_utc("%Y%m%dT%H%M%SZ"); }

}  // namespace stasis
