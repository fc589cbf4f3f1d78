#include "lib/fs/copy_entries.h"

#include <unistd.h>

#include "lib/base/error.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::fs {
namespace {

using test::describe_tree;
using test::nothing_interrupts;
using test::TempDir;

/// A folder that had a file when the tree was listed, beside one of the host's.
struct Trees {
    TempDir temp;
    Path from = temp / "from";
    Path to = temp / "to";

    Trees() {
        test::write(temp / "outside/secret", "the host's");
        test::write(from / "folder/secret", "its own");
        std::filesystem::create_directory(to);
    }

    void refuses() {
        const auto copy = [&] { copy_entries(from, to, {"folder/secret"}, nothing_interrupts()); };
        CHECK(test::error_of(copy).kind() == Kind::failed);
        CHECK(test::read(temp / "outside/secret") == "the host's");
    }
};

TEST_CASE("a folder of the original that becomes a link meanwhile gives nothing of the host away") {
    Trees trees;
    std::filesystem::create_directory(trees.to / "folder");
    std::filesystem::remove_all(trees.from / "folder");
    std::filesystem::create_directory_symlink(trees.temp / "outside", trees.from / "folder");
    trees.refuses();
    CHECK(std::filesystem::is_empty(trees.to / "folder"));
}

TEST_CASE("a folder that was a link when it was copied has nothing of the host written over") {
    Trees trees;
    std::filesystem::create_directory_symlink(trees.temp / "outside", trees.to / "folder");
    trees.refuses();
}

TEST_CASE("the top of a tree is copied as well") {
    const Trees trees;
    std::filesystem::permissions(trees.from, std::filesystem::perms(0711));
    if (::geteuid() == 0) REQUIRE(::chown(trees.from.c_str(), 7, 8) == 0);
    copy_entries(trees.from, trees.to, {".", "folder", "folder/secret"}, nothing_interrupts());
    REQUIRE(describe_tree(trees.from) == describe_tree(trees.to));
}

}  // namespace
}  // namespace stasis::fs
