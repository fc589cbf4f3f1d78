#include "lib/sys/file.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::sys {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

TEST_CASE("an atomic file has its text and mode, and nothing else is left") {
    const TempDir temp;
    for (const mode_t mode : {mode_t{0600}, mode_t{0644}, mode_t{0444}}) {
        write_file_atomically(temp / "file", "text of " + std::to_string(mode), mode);
        REQUIRE(test::read(temp / "file") == "text of " + std::to_string(mode));
        REQUIRE(test::mode_of(temp / "file") == mode);
    }
    const std::string large(3 << 20, 'x');
    write_file_atomically(temp / "file", large, 0600);
    REQUIRE(test::read(temp / "file") == large);
    REQUIRE(list_directory(temp.path()) == std::vector<std::string>{"file"});
}

TEST_CASE("of a file's end no more is read than was asked for") {
    const TempDir temp;
    test::write(temp / "file", "begin, end");
    CHECK(read_end(temp / "file", 3) == "end");
    CHECK(read_end(temp / "file", 100) == "begin, end");
    test::write(temp / "empty", "");
    CHECK(read_end(temp / "empty", 3).empty());
}

TEST_CASE("an atomic file replaces a name, not the file behind it") {
    const TempDir temp;
    test::write(temp / "old", "old");
    std::filesystem::create_hard_link(temp / "old", temp / "hard");
    write_file_atomically(temp / "hard", "new", 0600);
    REQUIRE(test::read(temp / "old") == "old");
    std::filesystem::create_symlink("old", temp / "soft");
    write_file_atomically(temp / "soft", "new", 0600);
    REQUIRE(test::read(temp / "old") == "old");
    REQUIRE_FALSE(std::filesystem::is_symlink(temp / "soft"));
}

TEST_CASE("an atomic file that can't be made leaves nothing") {
    const TempDir temp;
    std::filesystem::create_directory(temp / "folder");
    const Error error = error_of([&] { write_file_atomically(temp / "folder", "text", 0600); });
    REQUIRE(error.kind() == Kind::failed);
    REQUIRE(contains(error.message(), (temp / "folder").string()));
    REQUIRE(list_directory(temp.path()) == std::vector<std::string>{"folder"});
    REQUIRE(error_of([&] { write_file_atomically(temp / "none/file", "text", 0600); }).kind() == Kind::failed);
}

TEST_CASE("open_beneath stays below and follows no link") {
    const TempDir temp;
    test::write(temp / "outside", "secret");
    test::write(temp / "top/folder/file", "text");
    std::filesystem::create_symlink("file", temp / "top/folder/link");
    std::filesystem::create_directory_symlink("folder", temp / "top/link");
    std::filesystem::create_directory_symlink(temp.path(), temp / "top/out");
    const UniqueFd top = open_path(temp / "top", O_RDONLY | O_DIRECTORY);
    REQUIRE(read_all(open_beneath(top.get(), "folder/file", O_RDONLY).get(), "x") == "text");
    for (const std::string& name :
         {std::string("folder/link"), std::string("link/file"), std::string("out/outside"), std::string("../outside"),
          std::string("folder/../../outside"), (temp / "outside").string(), std::string("missing")}) {
        INFO(name);
        REQUIRE(error_of([&] { (void)open_beneath(top.get(), name, O_RDONLY); }).kind() == Kind::failed);
    }
}

TEST_CASE("every descriptor is closed on exec") {
    const TempDir temp;
    test::write(temp / "file", "text");
    const UniqueFd top = open_path(temp.path(), O_RDONLY | O_DIRECTORY);
    for (const UniqueFd& fd : {open_path(temp / "file", O_RDONLY), open_at(top.get(), "file", O_RDONLY),
                               open_beneath(top.get(), "file", O_RDONLY)})
        REQUIRE((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("rename_new never replaces") {
    const TempDir temp;
    const UniqueFd top = open_path(temp.path(), O_RDONLY | O_DIRECTORY);
    std::filesystem::create_directory(temp / "a");
    std::filesystem::create_directory(temp / "taken");
    REQUIRE_FALSE(rename_new(top.get(), "a", "taken"));
    REQUIRE(test::exists(temp / "a"));
    REQUIRE(rename_new(top.get(), "a", "b"));
    REQUIRE(list_directory(temp.path()) == std::vector<std::string>{"b", "taken"});
    REQUIRE(error_of([&] { (void)rename_new(top.get(), "missing", "c"); }).kind() == Kind::failed);
}

TEST_CASE("make_directory takes a real directory for made, and nothing else") {
    const TempDir temp;
    make_directory(temp / "a", 0700);
    REQUIRE(test::mode_of(temp / "a") == 0700);
    REQUIRE_NOTHROW(make_directory(temp / "a", 0700));
    test::write(temp / "file", "");
    std::filesystem::create_directory_symlink("a", temp / "link");
    REQUIRE_THROWS_AS(make_directory(temp / "file", 0700), Error);
    REQUIRE_THROWS_AS(make_directory(temp / "link", 0700), Error);
    REQUIRE_THROWS_AS(make_directory(temp / "none/b", 0700), Error);
}

TEST_CASE("reading tells a missing file from one that can't be read") {
    const TempDir temp;
    test::write(temp / "file", std::string(200'000, 'y') + '\0');
    REQUIRE(read_file(temp / "file").size() == 200'001);
    REQUIRE(read_file_if_exists(temp / "file")->size() == 200'001);
    REQUIRE_FALSE(read_file_if_exists(temp / "none"));
    REQUIRE_THROWS_AS(read_file(temp / "none"), Error);
    REQUIRE_THROWS_AS(read_file_if_exists(temp.path()), Error);
    REQUIRE(contains(read_file("/proc/self/status"), "Name:"));
}

TEST_CASE("a listing is sorted and whole") {
    const TempDir temp;
    for (const char* name : {"b", "a", ".hidden", "new\nline", "\xff"}) test::write(temp / name, "");
    REQUIRE(list_directory(temp.path()) == std::vector<std::string>{".hidden", "a", "b", "new\nline", "\xff"});
    REQUIRE(list_directory(temp / "none").empty());
}

TEST_CASE("removing a tree does not follow its links") {
    const TempDir temp;
    test::write(temp / "outside/file", "stays");
    test::write(temp / "tree/a/b", "goes");
    std::filesystem::create_directory_symlink(temp / "outside", temp / "tree/link");
    remove_tree(temp / "tree");
    remove_tree(temp / "tree");  // missing is fine
    REQUIRE(list_directory(temp.path()) == std::vector<std::string>{"outside"});
    REQUIRE(test::read(temp / "outside/file") == "stays");
}

TEST_CASE("links are read as they are") {
    const TempDir temp;
    std::filesystem::create_symlink("to \n\xff", temp / "link");
    REQUIRE(read_link(temp / "link") == "to \n\xff");
    REQUIRE_FALSE(read_link(temp.path()));
}

TEST_CASE("a full or read-only disk comes with a remedy") {
    for (const int number : {ENOSPC, EDQUOT, EROFS}) {
        const Error error = system_error(number, "write 'x'");
        REQUIRE(error.kind() == Kind::failed);
        REQUIRE(contains(error.message(), "cannot write 'x': "));
        REQUIRE(contains(error.hint(), "--store"));
    }
    REQUIRE(system_error(ENOENT, "open 'x'").hint().empty());
    // A device that is always full.
    const UniqueFd full = open_path("/dev/full", O_WRONLY);
    REQUIRE(contains(error_of([&] { write_all(full.get(), "text", "/dev/full"); }).message(), "'/dev/full'"));
}

}  // namespace
}  // namespace stasis::sys
