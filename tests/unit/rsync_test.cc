#include "lib/fs/rsync.h"

#include "lib/base/error.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::fs {
namespace {

TEST_CASE("rsync follows no link in the tree that may be alive") {
    if (!test::is_root()) return;
    const test::TempDir temp;
    test::write(temp / "secret/file", "secret");
    std::filesystem::create_directories(temp / "other");
    std::filesystem::create_directories(temp / "alive");
    std::filesystem::create_directory_symlink(temp / "secret", temp / "alive/link");
    // Stands for one that meets the link where it has seen a folder.
    test::write(temp / "bin/rsync", "#!/bin/sh\ncat '" + (temp / "alive/link/file").string() + "' >&2\nexit 1\n");
    std::filesystem::permissions(temp / "bin/rsync", std::filesystem::perms::owner_all);
    const test::Environment path("PATH", sys::path_with({temp / "bin"}));
    RsyncJob reading{temp / "alive", temp / "other"};
    RsyncJob writing{temp / "other", temp / "alive"};
    writing.exact = true;
    for (const RsyncJob& job : {reading, writing}) {
        const Error error = test::error_of([&] { rsync(job, test::nothing_interrupts()); });
        REQUIRE(test::contains(error.message(), "Too many levels of symbolic links"));
    }
}

}  // namespace
}  // namespace stasis::fs
