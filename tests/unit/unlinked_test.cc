#include "lib/sys/unlinked.h"

#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::sys {
namespace {

using test::contains;
using test::TempDir;

RunResult read_in(const Path& tree, const std::vector<std::string>& files) {
    Command command;
    command.args = {"cat"};
    command.args.insert(command.args.end(), files.begin(), files.end());
    return start_unlinked(command, tree).finish(nullptr);
}

TEST_CASE("no link in a tree leads out of it, nor to another place in it") {
    if (!test::is_root()) return;
    const TempDir temp;
    test::write(temp / "outside/file", "outside");
    test::write(temp / "tree/inner/file", "inside");
    std::filesystem::create_directory_symlink(temp / "outside", temp / "tree/absolute");
    std::filesystem::create_directory_symlink("../outside", temp / "tree/relative");
    std::filesystem::create_directory_symlink("inner", temp / "tree/soft");
    REQUIRE(read_in(temp / "tree", {temp / "tree/inner/file"}).out == "inside");
    for (const char* folder : {"absolute", "relative", "soft"}) {
        const RunResult result = read_in(temp / "tree", {temp / "tree" / folder / "file"});
        REQUIRE(result.out.empty());
        REQUIRE(contains(result.err, "Too many levels of symbolic links"));
    }
    // Nothing of it is left, and links elsewhere lead where they did.
    std::filesystem::create_directory_symlink("outside", temp / "link");
    REQUIRE(read_in(temp / "tree", {temp / "link/file"}).out == "outside");
    REQUIRE(test::read(temp / "tree/absolute/file") == "outside");
}

TEST_CASE("a tree is found by a link, and written to") {
    const TempDir temp;
    std::filesystem::create_directories(temp / "real/tree");
    std::filesystem::create_directory_symlink("real", temp / "way");
    Command command;
    command.args = {"cp", "/proc/self/comm", temp / "way/tree/copy"};
    REQUIRE(start_unlinked(command, temp / "way/tree").finish(nullptr).status.ok());
    REQUIRE(test::read(temp / "real/tree/copy") == "cp\n");
}

}  // namespace
}  // namespace stasis::sys
