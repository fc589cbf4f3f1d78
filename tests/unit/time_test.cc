#include "lib/base/time.h"

#include "tests/unit/catch.h"

namespace stasis {
namespace {

TEST_CASE("what is no time is none") {
    REQUIRE(parse_utc("1970-01-01T00:00:01.250Z") == Microseconds(1'250'000));
    REQUIRE(parse_utc("2026-11-22T13:45:00Z") == Microseconds(1'795'355'100'000'000));
    REQUIRE_FALSE(parse_utc("yesterday"));
    REQUIRE_FALSE(parse_utc(""));
}

}  // namespace
}  // namespace stasis
