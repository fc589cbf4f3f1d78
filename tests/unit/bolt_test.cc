#include <cstdint>
#include <cstring>
#include <vector>

#include "lib/base/error.h"
#include "lib/runtime/bolt.h"
#include "tests/unit/catch.h"

namespace stasis::runtime {
namespace {

constexpr std::size_t kPage = 4096;

struct Item {
    std::string key;
    std::string value;
    bool is_bucket = false;
};

template <typename Number>
std::string bytes(Number number) {
    std::string text(sizeof number, '\0');
    std::memcpy(text.data(), &number, sizeof number);
    return text;
}

std::string header(std::uint64_t number, std::uint16_t flags, std::size_t count) {
    return bytes(number) + bytes(flags) + bytes(static_cast<std::uint16_t>(count)) + bytes(std::uint32_t{0});
}

std::string leaf(std::uint64_t number, const std::vector<Item>& items) {
    std::string table;
    std::string data;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto position = static_cast<std::uint32_t>((items.size() - i) * 16 + data.size());
        table += bytes(std::uint32_t{items[i].is_bucket}) + bytes(position) +
                 bytes(static_cast<std::uint32_t>(items[i].key.size())) +
                 bytes(static_cast<std::uint32_t>(items[i].value.size()));
        data += items[i].key + items[i].value;
    }
    return header(number, 2, items.size()) + table + data;
}

std::string branch(std::uint64_t number, const std::vector<std::uint64_t>& pages) {
    std::string table;
    for (const std::uint64_t page : pages) table += bytes(std::uint32_t{0}) + bytes(std::uint32_t{0}) + bytes(page);
    return header(number, 1, pages.size()) + table;
}

std::string bucket_at(std::uint64_t root) { return bytes(root) + bytes(std::uint64_t{0}); }

std::string meta(std::uint64_t number, std::uint64_t root, std::uint64_t transaction) {
    const std::string text = bytes(std::uint32_t{0xED0CDAED}) + bytes(std::uint32_t{2}) +
                             bytes(static_cast<std::uint32_t>(kPage)) + bytes(std::uint32_t{0}) + bucket_at(root) +
                             bytes(std::uint64_t{0}) + bytes(std::uint64_t{9}) + bytes(transaction);
    std::uint64_t sum = 0xCBF29CE484222325;
    for (const char byte : text) sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
    return header(number, 4, 0) + text + bytes(sum);
}

std::string file(const std::vector<std::string>& pages) {
    std::string text;
    for (std::string page : pages) {
        page.resize(kPage);
        text += page;
    }
    return text;
}

/// Root (page 3) with a small bucket inside itself and one on pages of its own.
std::vector<std::string> pages() {
    return {meta(0, 3, 7),
            meta(1, 2, 6),
            leaf(2, {{"old", "value"}}),
            leaf(3, {{"ctr", bucket_at(4), true}, {"small", bucket_at(0) + leaf(0, {{"a", "1"}, {"b", ""}}), true}}),
            branch(4, {5, 6}),
            leaf(5, {{"config", "{}"}, {"networks", bucket_at(0) + leaf(0, {{"net", "x"}}), true}}),
            leaf(6, {{"state", "running"}})};
}

using Values = std::map<std::string, std::string>;

TEST_CASE("values of a bucket are found, in its own pages or in its parent's") {
    const BoltDatabase database(file(pages()));
    CHECK(database.values({"small"}) == Values{{"a", "1"}, {"b", ""}});
    CHECK(database.values({"ctr"}) == Values{{"config", "{}"}, {"state", "running"}});
    CHECK(database.values({"ctr", "networks"}) == Values{{"net", "x"}});
    CHECK(database.values({"ctr", "config"}).empty());
    CHECK(database.values({"none"}).empty());
}

TEST_CASE("the last transaction that was written whole counts") {
    std::vector<std::string> torn = pages();
    torn[0][70] ^= 1;
    CHECK(BoltDatabase(file(torn)).values({}) == Values{{"old", "value"}});
    torn[1][70] ^= 1;
    CHECK_THROWS_AS(BoltDatabase(file(torn)), Error);
}

TEST_CASE("a broken database is an error, wherever it is cut off or bent") {
    const std::string whole = file(pages());
    CHECK_THROWS_AS(BoltDatabase("no database"), Error);
    for (std::size_t size = 2 * kPage; size < whole.size(); size += 100) {
        const BoltDatabase cut(whole.substr(0, size));
        CHECK_THROWS_AS(cut.values({"ctr"}), Error);
    }
    std::vector<std::string> bent = pages();
    bent[4] = branch(4, {4});
    CHECK_THROWS_AS(BoltDatabase(file(bent)).values({"ctr"}), Error);
    bent[4] = branch(4, {std::uint64_t{1} << 60});
    CHECK_THROWS_AS(BoltDatabase(file(bent)).values({"ctr"}), Error);
}

}  // namespace
}  // namespace stasis::runtime
