#include "lib/criu/images.h"

#include <sys/timerfd.h>

#include <chrono>
#include <ctime>

#include "proto/criu_images.pb.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::criu {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;
using test::TempDir;

/// A `files.img` with one timerfd, of which so much was left.
void write_timer(const TempDir& temp, int clock, std::uint32_t flags, std::uint64_t left_s, std::uint64_t left_ns) {
    images::File file;
    images::TimerFd& timer = *file.mutable_tfd();
    timer.set_clockid(static_cast<std::uint32_t>(clock));
    timer.set_settime_flags(flags);
    timer.set_vsec(left_s);
    timer.set_vnsec(left_ns);
    timer.set_ticks(0);
    timer.set_isec(0);
    timer.set_insec(0);
    const std::string entry = file.SerializeAsString();
    test::write(temp / "files.img",
                std::string(8, 'x') + std::string{static_cast<char>(entry.size()), 0, 0, 0} + entry);
}

images::TimerFd read_timer(const TempDir& temp) {
    constexpr std::size_t kBeforeEntry = 12;
    images::File file;
    REQUIRE(file.ParseFromString(test::read(temp / "files.img").substr(kBeforeEntry)));
    return file.tfd();
}

/// Seconds and nanoseconds that stand there after so long away; dumped half a second after a full one.
std::pair<std::uint64_t, std::uint64_t> left_after(const TempDir& temp, microseconds away) {
    write_timer(temp, CLOCK_REALTIME, TFD_TIMER_ABSTIME, 10, 700'000'000);  // due at a fifth of a second after one
    const microseconds dumped = seconds(1000) + std::chrono::milliseconds(500);
    set_wall_clock_timers(temp.path(), dumped, dumped + away);
    const images::TimerFd timer = read_timer(temp);
    REQUIRE(timer.settime_flags() == TFD_TIMER_ABSTIME);
    return {timer.vsec(), timer.vnsec()};
}

using Left = std::pair<std::uint64_t, std::uint64_t>;

TEST_CASE("a timer on the time of day is due when it was") {
    const TempDir temp;
    // CRIU adds the whole seconds of the clock: 1000, 1003 and 1011, so that it is due at 1011.2.
    REQUIRE(left_after(temp, seconds(0)) == Left{11, 200'000'000});
    REQUIRE(left_after(temp, seconds(3)) == Left{8, 200'000'000});
    REQUIRE(left_after(temp, std::chrono::milliseconds(10'600)) == Left{0, 200'000'000});
    REQUIRE(left_after(temp, seconds(60)) == Left{0, 1});
    REQUIRE(left_after(temp, seconds(-5)) == Left{16, 200'000'000});  // the clock was set back
}

TEST_CASE("of other timers only one with a moment of its clock is changed") {
    const TempDir temp;
    write_timer(temp, CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, 3, 5);
    mend_files_image(temp.path());
    REQUIRE(read_timer(temp).settime_flags() == 0);
    REQUIRE(read_timer(temp).vsec() == 3);

    for (const std::uint32_t flags : {0U, static_cast<std::uint32_t>(TFD_TIMER_ABSTIME)}) {
        write_timer(temp, CLOCK_REALTIME, flags, 0, 0);  // not set, or has gone off
        REQUIRE_FALSE(has_wall_clock_timer(temp.path()));
    }
    write_timer(temp, CLOCK_REALTIME, 0, 3, 5);
    const std::string before = test::read(temp / "files.img");
    mend_files_image(temp.path());
    REQUIRE_FALSE(has_wall_clock_timer(temp.path()));
    set_wall_clock_timers(temp.path(), seconds(1), seconds(2));
    REQUIRE(test::read(temp / "files.img") == before);
    write_timer(temp, CLOCK_REALTIME, TFD_TIMER_ABSTIME, 3, 5);
    REQUIRE(has_wall_clock_timer(temp.path()));
}

}  // namespace
}  // namespace stasis::criu
