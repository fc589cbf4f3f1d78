#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace stasis {

/// Intervals are measured by the monotonic clock only.
using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::microseconds;

/// The moment at which the whole operation must be over; none means no limit.
using Deadline = std::optional<Clock::time_point>;

/// Whole microseconds from `from` to `to`.
inline long long microseconds_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration_cast<Microseconds>(to - from).count();
}

/// The wall clock as the time since 1970.
Microseconds wall_clock();

/// Such a time in UTC as `2026-11-22T13:45:00.123Z`, for manifests and people: checkpoints are sorted by it.
std::string utc_text(Microseconds since_1970);

/// The wall clock, like that.
std::string utc_now();

/// What utc_text() wrote, as the time since 1970; nothing where a text is no such time.
std::optional<Microseconds> parse_utc(const std::string& text);

/// The wall clock in UTC as `20261122T134500Z`, for names of checkpoints and logs.
std::string utc_stamp();

}  // namespace stasis
