#include "lib/sys/checksum.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::sys {
namespace {

using test::nothing_interrupts;
using test::TempDir;

TEST_CASE("the checksum is xxh3-128 in its canonical form") {
    REQUIRE(checksum("") == "99aa06d3014798d86001c324468d497f");
    REQUIRE(checksum("a") != checksum("b"));
    REQUIRE(checksum(std::string_view("\0", 1)) != checksum(""));
}

TEST_CASE("a record is of the entry itself") {
    const TempDir temp;
    const std::string small = std::string((1 << 20) - 3, 'x') + "end";
    test::write(temp / "small", small);
    test::write(temp / "empty", "");
    std::filesystem::create_symlink("small", temp / "link");
    REQUIRE(::mkfifo((temp / "fifo").c_str(), 0600) == 0);
    const UniqueFd folder = open_path(temp.path(), O_RDONLY | O_DIRECTORY);
    REQUIRE(record_of(folder.get(), "small") == FileRecord{false, small.size(), checksum(small)});
    REQUIRE(record_of(folder.get(), "empty") == FileRecord{false, 0, checksum("")});
    REQUIRE(record_of(folder.get(), "link") == FileRecord{true, 5, checksum("small")});
    REQUIRE_FALSE(record_of(folder.get(), "fifo"));
    REQUIRE_THROWS_AS(record_of(folder.get(), "none"), Error);
}

/// Bytes of which no page is like another.
std::string numbers(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i * i);
    return text.substr(0, size);
}

TEST_CASE("a large file has a checksum by pages, however it comes") {
    for (const std::size_t size : {(1 << 20) + 1, (1 << 20) + 4096, (9 << 20) + 4095}) {
        const TempDir temp;
        const std::string text = numbers(size);
        std::string hashes;
        for (std::size_t at = 0; at < size; at += 4096) {
            const std::string page = text.substr(at, 4096);
            const std::vector<PageHash> hash = hash_pages(std::as_bytes(std::span(page)));
            REQUIRE(hash.size() == 1);
            hashes.append(reinterpret_cast<const char*>(hash.data()), sizeof(PageHash));
        }
        const FileRecord expected{false, size, "pages:" + checksum(hashes)};
        test::write(temp / "file", text);
        const UniqueFd folder = open_path(temp.path(), O_RDONLY | O_DIRECTORY);
        REQUIRE(record_of(folder.get(), "file") == expected);
        for (const std::size_t piece : {1000UL, 4096UL, 5000UL, 3UL << 20}) {
            Recorder recorder;
            for (std::size_t at = 0; at < size; at += piece) recorder.add(std::string_view(text).substr(at, piece));
            REQUIRE(recorder.record() == expected);
        }
        // As format 1 has it.
        const FileRecord before{false, size, checksum(text)};
        REQUIRE(record_of(folder.get(), "file", &before) == before);

        std::string changed = text;
        changed[size / 2] ^= 1;
        test::write(temp / "file", changed);
        REQUIRE(record_of(folder.get(), "file") != expected);
        REQUIRE(record_of(folder.get(), "file", &before) != before);
    }
}

TEST_CASE("the checksum of a small file is that of its bytes, however it comes") {
    for (const std::size_t size : {0, 1, 4096, 5000, 1 << 20})
        for (const std::size_t piece : {1000UL, 4096UL, 3UL << 20}) {
            const std::string text = numbers(size);
            Recorder recorder;
            for (std::size_t at = 0; at < size; at += piece) recorder.add(std::string_view(text).substr(at, piece));
            REQUIRE(recorder.record() == FileRecord{false, size, checksum(text)});
        }
}

TEST_CASE("records of a tree hold every file and link, by its path") {
    const TempDir temp;
    test::write(temp / "tree/a/b/c", "deep");
    test::write(temp / "tree/odd \n\xff", "odd");
    test::write(temp / "outside/file", "not in it");
    std::filesystem::create_directory(temp / "tree/empty");
    std::filesystem::create_directory_symlink(temp / "outside", temp / "tree/link");
    const FileRecords records = record_tree(temp / "tree", nothing_interrupts());
    REQUIRE(records.size() == 3);
    REQUIRE(records.at("a/b/c") == FileRecord{false, 4, checksum("deep")});
    REQUIRE(records.at("odd \n\xff").checksum == checksum("odd"));
    REQUIRE(records.at("link").is_link);

    std::filesystem::create_directory_symlink(temp / "tree", temp / "root-link");
    REQUIRE_THROWS_AS(record_tree(temp / "root-link", nothing_interrupts()), Error);
}

TEST_CASE("what is known is not read again, links are") {
    const TempDir temp;
    test::write(temp / "known", "1");
    test::write(temp / "unknown", "22");
    std::filesystem::create_symlink("x", temp / "link");
    std::vector<std::string> asked;
    const FileRecord made_up{false, 99, "made up"};
    const KnownRecord known = [&](const std::string& path, const struct stat& info) -> std::optional<FileRecord> {
        asked.push_back(path + " " + std::to_string(info.st_size));
        return path == "known" ? std::optional(made_up) : std::nullopt;
    };
    const FileRecords records = record_tree(temp.path(), nothing_interrupts(), known);
    REQUIRE(asked == std::vector<std::string>{"known 1", "unknown 2"});
    REQUIRE(records.at("known") == made_up);
    REQUIRE(records.at("unknown").checksum == checksum("22"));
}

TEST_CASE("a signal stops the reading of a tree") {
    const TempDir temp;
    test::write(temp / "a/file", "text");
    Interrupts interrupts{std::nullopt};
    (void)::raise(SIGHUP);
    REQUIRE(test::error_of([&] { (void)record_tree(temp.path(), interrupts); }).signal() == SIGHUP);
}

}  // namespace
}  // namespace stasis::sys
