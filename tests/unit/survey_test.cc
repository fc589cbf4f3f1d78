#include "lib/fs/survey.h"

#include <atomic>
#include <thread>

#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::fs {
namespace {

using test::TempDir;

TEST_CASE("a folder that vanishes while its tree is surveyed hides nothing else") {
    constexpr std::size_t kFiles = 40;
    const TempDir temp;
    for (std::size_t i = 0; i < kFiles; ++i) test::write(temp / ("kept " + std::to_string(i) + "/file"), "text");
    std::atomic<bool> enough = false;
    std::thread busy([&] {
        while (!enough)
            for (const char* name : {"a", "l", "z"}) {
                std::filesystem::create_directories(temp / name / "in");
                std::filesystem::remove_all(temp / name);
            }
    });
    std::size_t whole = 0;
    constexpr std::size_t kRounds = 300;
    for (std::size_t i = 0; i < kRounds; ++i) whole += survey(temp.path(), {}).changed.size() == kFiles ? 1 : 0;
    enough = true;
    busy.join();
    REQUIRE(whole == kRounds);
}

}  // namespace
}  // namespace stasis::fs
