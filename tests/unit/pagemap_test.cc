#include "lib/pages/pagemap.h"

#include "lib/base/error.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::pages {
namespace {

using test::TempDir;

TEST_CASE("a pagemap whose sums would overflow is none") {
    const TempDir temp;
    const auto reads = [&](std::uint64_t address, std::uint64_t pages) {
        const sys::Path file = temp / ("pagemap-" + std::to_string(address) + "-" + std::to_string(pages) + ".img");
        write_pagemap(file, {1, {{address, pages, kPresent}}}, true);
        return read_pagemap(file).entries.size();
    };
    REQUIRE(reads(0x7ffffffff000, 1ULL << 40) == 1);
    for (const auto& [address, pages] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
             {0x1001, 1}, {0x1000, (1ULL << 40) + 1}, {0x1000, UINT64_MAX}, {UINT64_MAX - 0xfff, 1}})
        REQUIRE(test::error_of([&] { (void)reads(address, pages); }).kind() == Kind::damaged);
}

}  // namespace
}  // namespace stasis::pages
