#include "lib/pages/pages_file.h"

#include <algorithm>
#include <string>
#include <vector>

#include "lib/pages/arena.h"
#include "lib/pages/plain.h"
#include "tests/unit/catch.h"
#include "tests/unit/page_client.h"
#include "tests/unit/support.h"

namespace stasis::pages {
namespace {

using test::nothing_interrupts;
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

/// Memory that compresses well, but not to nothing.
std::string text_of_pages(std::size_t pages) {
    std::string text;
    for (std::size_t i = 0; text.size() < pages * kPageSize; ++i) text += "word " + std::to_string(i * i) + " ";
    return text.substr(0, pages * kPageSize);
}

void write_pages_file(const sys::Path& path, const Compression& compression, const std::string& memory) {
    PagesFile file(path, compression, PageCache::used);
    for (std::size_t done = 0, step = kPageSize; done < memory.size(); done += step, step *= 3) {
        file.open();
        file.append(bytes_of(memory).subspan(done, std::min(step, memory.size() - done)));
        file.close();
    }
    file.finish();
    const TempDir folder;
    std::filesystem::copy_file(path.parent_path() / file.name(), folder / "copy");
    REQUIRE(file.record() == records_of(folder)["copy"]);
}

TEST_CASE("compressed pages are what they were, for the codecs' own tools as well") {
    for (const auto& [text, tool] : {std::pair("lz4", "lz4"), {"zstd", "zstd"}, {"zstd:9", "zstd"}})
        for (const std::size_t pages : {0, 1, 255, 256, 257, 20 * 256 + 3}) {
            const TempDir temp;
            const std::string memory = text_of_pages(pages);
            const Compression compression = compression_from(text);
            write_pages_file(temp / "pages-1.img", compression, memory);
            const sys::Path packed = temp / ("pages-1.img" + suffix_of(compression.codec));
            REQUIRE(is_pages_image(packed.filename()));
            REQUIRE((pages < 255 || std::filesystem::file_size(packed) < memory.size() / 2));
            REQUIRE(plain_size(packed) == memory.size());
            REQUIRE(plain_bytes(temp.path()) == memory.size());
            const TempDir plain;
            make_plain(temp.path(), plain / "images", nothing_interrupts());
            REQUIRE(test::read(plain / "images" / "pages-1.img") == memory);
            if (pages == 257 && std::string(tool) == "zstd") {
                REQUIRE(std::system(("zstd -q -d -o " + (plain / "tool").string() + " " + packed.string()).c_str()) ==
                        0);
                REQUIRE(test::read(plain / "tool") == memory);
            }
        }
    for (const char* text : {"", "gzip", "zstd:", "zstd:0", "zstd:x", "zstd:99", "zstd:3x", "lz4:1", "zst"})
        REQUIRE(test::error_of([&] { (void)compression_from(text); }).kind() == Kind::usage);
}

TEST_CASE("a compressed image with any byte changed, or cut short, is not decompressed into something else") {
    for (const char* codec : {"lz4", "zstd"}) {
        const TempDir temp;
        const std::string memory = text_of_pages(300);
        write_pages_file(temp / "pages-1.img", compression_from(codec), memory);
        const sys::Path packed = temp / ("pages-1.img" + suffix_of(compression_from(codec).codec));
        const std::string whole = test::read(packed);
        const auto refused_or_same = [&](const std::string& broken) {
            test::write(packed, broken);
            std::filesystem::remove(temp / "out");
            try {
                decompress_file(packed, temp / "out", nothing_interrupts());
            } catch (const Error& error) {
                return error.kind() == Kind::damaged;
            }
            return test::read(temp / "out") == memory;
        };
        for (std::size_t at = 0; at < whole.size(); at += at < 64 || whole.size() - at < 64 ? 1 : 997) {
            std::string broken = whole;
            broken[at] = static_cast<char>(~broken[at]);
            REQUIRE(refused_or_same(broken));
        }
        for (const std::size_t length : {std::size_t{0}, std::size_t{5}, whole.size() / 2, whole.size() - 1})
            REQUIRE(test::error_of([&] {
                        test::write(packed, whole.substr(0, length));
                        (void)plain_size(packed);
                    }).kind() == Kind::damaged);
    }
}

}  // namespace
}  // namespace stasis::pages
