#include "lib/sys/archive.h"

#include <fcntl.h>

#include "lib/base/error.h"
#include "lib/sys/child.h"
#include "lib/sys/unpacker.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::sys {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

TEST_CASE("an archive is its owner's, compressed, and there only once it is finished") {
    const TempDir temp;
    const Path path = temp / "a.tar.zst";
    {
        Archive archive(path);
        archive.add("a/one", "CANARY");
    }
    REQUIRE_FALSE(test::exists(path));
    {
        Archive archive(path);
        archive.add("a/one", std::string(100'000, 'x'));
        archive.add("a/empty", "");
        archive.finish();
    }
    REQUIRE(test::mode_of(path) == 0600);
    REQUIRE(test::read(path).starts_with("\x28\xb5\x2f\xfd"));  // RFC 8878
    REQUIRE(std::filesystem::file_size(path) < 10'000);
    const std::string tar = read_decompressed(path);
    REQUIRE(contains(tar, "a/one"));
    REQUIRE(contains(tar, std::string(100'000, 'x')));
}

TEST_CASE("what is there is not overwritten by an archive") {
    const TempDir temp;
    test::write(temp / "taken", "kept");
    const Error error = error_of([&] { const Archive archive(temp / "taken"); });
    REQUIRE(error.kind() == Kind::busy);
    REQUIRE(contains(error.hint(), "--output"));
    REQUIRE(test::read(temp / "taken") == "kept");
    REQUIRE(error_of([&] { const Archive archive(temp / "none/a"); }).kind() == Kind::failed);
}

TEST_CASE("a manifest of many files comes back whole") {
    const TempDir temp;
    const std::string text = std::string(100 << 20, 'm');  // of some 700,000
    Archive archive(temp / "a.tar.zst");
    archive.add("manifest.json", text);
    archive.finish();
    Unpacker reader(open_path(temp / "a.tar.zst", O_RDONLY), "a");
    REQUIRE((reader.read_file("manifest.json") == text));  // in brackets: not to be printed
}

TEST_CASE("files are read whether compressed or not") {
    const TempDir temp;
    const std::string text = "CONFIG_A=y\n" + std::string(200'000, 'x') + "\n";
    test::write(temp / "plain", text);
    REQUIRE(read_decompressed(temp / "plain") == text);
    (void)ask({"gzip", "-k", temp / "plain"});
    REQUIRE(read_decompressed(temp / "plain.gz") == text);
    REQUIRE_THROWS_AS(read_decompressed(temp / "none"), Error);
}

}  // namespace
}  // namespace stasis::sys
