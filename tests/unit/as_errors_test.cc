#include "lib/base/as_errors.h"

#include <functional>
#include <stdexcept>

#include "tests/unit/catch.h"

namespace stasis {
namespace {

Error thrown_by(const std::function<void()>& body) {
    try {
        as_errors(body);
    } catch (const Error& error) {
        return error;
    }
    FAIL("it threw nothing");
    return {Kind::internal, ""};
}

TEST_CASE("what a body gives is given on") {
    CHECK(as_errors([] { return 3; }) == 3);
}

TEST_CASE("an Error stays as it is") {
    const Error error = thrown_by([] { throw Error(Kind::busy, "taken").hint("wait"); });
    CHECK(error.kind() == Kind::busy);
    CHECK(error.hint() == "wait");
}

TEST_CASE("what the file system refuses is a failure, all else a bug of stasis") {
    CHECK(thrown_by([] { std::filesystem::create_directory("/proc/none"); }).kind() == Kind::failed);
    CHECK(thrown_by([] { throw std::out_of_range("7"); }).kind() == Kind::internal);
}

}  // namespace
}  // namespace stasis
