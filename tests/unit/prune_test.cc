#include "lib/ops/prune.h"

#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::ops {
namespace {

store::Entry checkpoint(const std::string& created, const std::string& kind = "snapshot") {
    store::Entry entry{"runc", "web", created, {store::State::sealed, store::Manifest()}};
    entry.found.manifest->kind = kind;
    entry.found.manifest->created = created;
    return entry;
}

std::vector<store::Entry> at(const std::vector<std::string>& times) {
    std::vector<store::Entry> entries;
    for (const std::string& time : times) entries.push_back(checkpoint(time));
    return entries;
}

/// The times of those that are kept, each with its reasons.
std::vector<std::string> kept(const std::vector<store::Entry>& entries, const KeepRules& rules) {
    std::vector<std::string> result;
    for (const Kept& one : select(entries, rules)) {
        if (one.reasons.empty()) continue;
        std::string text = one.created;
        for (const std::string& reason : one.reasons) text += " " + reason;
        result.push_back(text);
    }
    return result;
}

using Texts = std::vector<std::string>;

TEST_CASE("keep the last ones, whatever their times") {
    const auto entries = at({"2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", "2026-11-02T00:00:00Z"});
    REQUIRE(kept(entries, {2, 0, 0, 0, 0}) == Texts{"2026-11-02T00:00:00Z last", "2026-11-02T00:00:00Z last"});
    REQUIRE(kept(entries, {9, 0, 0, 0, 0}).size() == 3);
    REQUIRE(kept({}, {9, 0, 0, 0, 0}).empty());
}

TEST_CASE("the newest of each day that has one") {
    const auto entries = at({"2026-10-30T12:00:00Z", "2026-11-01T00:00:00Z", "2026-11-01T23:59:59Z",
                             "2026-11-03T00:00:00Z", "2026-11-03T00:00:01Z"});
    REQUIRE(kept(entries, {0, 0, 3, 0, 0}) ==
            Texts{"2026-10-30T12:00:00Z daily", "2026-11-01T23:59:59Z daily", "2026-11-03T00:00:01Z daily"});
    REQUIRE(kept(entries, {0, 0, 1, 0, 0}) == Texts{"2026-11-03T00:00:01Z daily"});
}

TEST_CASE("hours and months") {
    const auto entries = at({"2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-01T00:59:59Z"});
    REQUIRE(kept(entries, {0, 2, 0, 0, 0}) == Texts{"2025-12-31T23:59:59Z hourly", "2026-01-01T00:59:59Z hourly"});
    REQUIRE(kept(entries, {0, 0, 0, 0, 2}) == Texts{"2025-12-31T23:59:59Z monthly", "2026-01-01T00:59:59Z monthly"});
    // The same month of another year is another one.
    REQUIRE(kept(at({"2025-01-15T00:00:00Z", "2026-01-15T00:00:00Z"}), {0, 0, 0, 0, 5}).size() == 2);
}

TEST_CASE("weeks begin on Monday, across a new year") {
    // 2026-11-22 is a Sunday; 2026-12-31 a Thursday.
    REQUIRE(kept(at({"2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"}), {0, 0, 0, 5, 0}).size() == 2);
    REQUIRE(kept(at({"2026-11-23T00:00:00Z", "2026-11-29T23:59:59Z"}), {0, 0, 0, 5, 0}) ==
            Texts{"2026-11-29T23:59:59Z weekly"});
    REQUIRE(kept(at({"2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"}), {0, 0, 0, 5, 0}) ==
            Texts{"2027-01-01T00:00:00Z weekly"});
}

TEST_CASE("what one rule keeps is kept, and says all that keep it") {
    const auto entries = at({"2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-20T10:00:00Z"});
    REQUIRE(kept(entries, {1, 0, 2, 0, 0}) == Texts{"2026-11-01T00:00:00Z daily", "2026-11-20T10:00:00Z last daily"});
}

TEST_CASE("the newest stop state is always kept, older ones are not") {
    auto entries = at({"2026-11-04T00:00:00Z", "2026-11-05T00:00:00Z"});
    entries.insert(entries.begin(),
                   {checkpoint("2026-11-01T00:00:00Z", "stop"), checkpoint("2026-11-02T00:00:00Z", "stop")});
    REQUIRE(kept(entries, {1, 0, 0, 0, 0}) == Texts{"2026-11-02T00:00:00Z stop", "2026-11-05T00:00:00Z last"});
}

TEST_CASE("what is not sealed neither counts nor goes") {
    auto entries = at({"2026-11-04T00:00:00Z"});
    entries.push_back({"runc", "web", "broken", {store::State::damaged, std::nullopt}});
    const std::vector<Kept> found = select(entries, {1, 0, 0, 0, 0});
    REQUIRE(found.size() == 1);
    REQUIRE(found[0].reasons == Texts{"last"});
}

}  // namespace
}  // namespace stasis::ops
