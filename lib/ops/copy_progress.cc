#include "lib/ops/copy_progress.h"

#include <algorithm>

#include <fmt/format.h>

namespace stasis::ops {

void CopyProgress::at(std::uint64_t bytes) {
    constexpr double kMicroseconds = 1e6;
    constexpr double kMebibyte = 1 << 20;
    const std::uint64_t percent = std::min<std::uint64_t>(bytes * 100 / std::max<std::uint64_t>(all_, 1), 100);
    if (percent == std::exchange(percent_, percent)) return;
    const double seconds = static_cast<double>(microseconds_between(began_, Clock::now()) + 1) / kMicroseconds;
    progress_.step(fmt::format("{}: {} % at {:.0f} MiB/s, {:.0f} s left", what_, percent,
                               static_cast<double>(bytes) / kMebibyte / seconds,
                               seconds * static_cast<double>(100 - percent) / static_cast<double>(percent)));
}

}  // namespace stasis::ops
