#include "lib/pages/pages_file.h"

#include <vector>

#include "lib/pages/arena.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::pages {
namespace {

using test::TempDir;

/// What a file is that got `memory` in two halves.
std::string written(std::span<const std::byte> memory, PageCache cache) {
    const TempDir folder;
    PagesFile file(folder / "pages-1.img", {}, cache);
    file.open();
    file.append(memory.first(memory.size() / 2));
    file.append(memory.subspan(memory.size() / 2));
    file.close();
    file.finish();
    return test::read(folder / "pages-1.img");
}

TEST_CASE("memory is written the same past the page cache, and where that is refused") {
    constexpr std::size_t kSize = 64 << 12;
    // Aligned to a page, and by half a sector off it, which the file system refuses as it does blocks that are too
    // small.
    for (const std::size_t offset : {0U, 256U}) {
        Arena arena(kSize + offset);
        const std::span<std::byte> memory = arena.take(kSize + offset).subspan(offset);
        for (std::size_t i = 0; i < kSize; ++i) memory[i] = static_cast<std::byte>(i * 2654435761U >> 13);
        const std::string expected(reinterpret_cast<const char*>(memory.data()), kSize);
        for (const PageCache cache : {PageCache::used, PageCache::bypassed}) {
            INFO(offset);
            REQUIRE(written(memory, cache) == expected);
        }
    }
}

}  // namespace
}  // namespace stasis::pages
