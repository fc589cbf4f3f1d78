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
    const std::string large = std::string(3 << 20, 'x') + "end";  // more than one block
    test::write(temp / "large", large);
    test::write(temp / "empty", "");
    std::filesystem::create_symlink("large", temp / "link");
    REQUIRE(::mkfifo((temp / "fifo").c_str(), 0600) == 0);
    const UniqueFd folder = open_path(temp.path(), O_RDONLY | O_DIRECTORY);
    REQUIRE(record_of(folder.get(), "large") == FileRecord{false, large.size(), checksum(large)});
    REQUIRE(record_of(folder.get(), "empty") == FileRecord{false, 0, checksum("")});
    REQUIRE(record_of(folder.get(), "link") == FileRecord{true, 5, checksum("large")});
    REQUIRE_FALSE(record_of(folder.get(), "fifo"));
    REQUIRE_THROWS_AS(record_of(folder.get(), "none"), Error);
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
