#include "lib/ops/order.h"

#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::ops {
namespace {

using test::contains;
using test::error_of;

TEST_CASE("an order file: one target a line, with or without its runtime") {
    const Order order("# the web server first\n\n  runc:web # port 80\r\ndb\n");
    REQUIRE(order.rank("runc", "web", "") < order.rank("runc", "db", ""));
    REQUIRE(order.rank("runc", "db", "") == order.rank("crun", "db", ""));
    REQUIRE(order.rank("crun", "web", "") == order.rank("runc", "other", ""));
}

TEST_CASE("what the file names comes after what it does not, whatever that says of itself") {
    const Order order("web\n");
    REQUIRE(order.rank("runc", "other", "2000000000") < order.rank("runc", "web", "-5"));
    REQUIRE(order.rank("runc", "web", "no number") == order.rank("runc", "web", ""));
}

TEST_CASE("the numbers that containers bear") {
    const Order order;
    REQUIRE(order.rank("runc", "a", "-1") < order.rank("runc", "b", ""));
    REQUIRE(order.rank("runc", "a", "0") == order.rank("runc", "b", ""));
    REQUIRE(order.rank("runc", "a", "2") < order.rank("runc", "b", "10"));
    for (const char* odd : {"soon", "1.5", "1 ", "+1", "99999999999", "0x1"}) {
        const Error error = error_of([&] { (void)order.rank("runc", "a", odd); });
        REQUIRE(error.kind() == Kind::failed);
        REQUIRE(contains(error.message(), "'runc:a' is '" + std::string(odd) + "'"));
    }
}

TEST_CASE("a target that stands twice in an order file") {
    REQUIRE(error_of([] { (void)Order("web\ndb\nweb\n"); }).kind() == Kind::usage);
}

}  // namespace
}  // namespace stasis::ops
