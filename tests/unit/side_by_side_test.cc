#include "lib/sys/side_by_side.h"

#include <csignal>
#include <map>
#include <set>

#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::sys {
namespace {

using test::TempDir;

Command shell(const std::string& text) {
    Command command;
    command.args = {"/bin/sh", "-c", text};
    return command;
}

/// What was seen of a run.
struct Seen {
    std::map<std::size_t, RunResult> ended;
    std::set<std::size_t> active;
    std::size_t most = 0;

    SideBySide how(std::size_t jobs, bool stop_at_failure = false) {
        return {jobs,
                [this](std::size_t place) {
                    active.insert(place);
                    most = std::max(most, active.size());
                },
                [this, stop_at_failure](std::size_t place, RunResult result) {
                    active.erase(place);
                    const bool ok = result.status.ok();
                    ended.emplace(place, std::move(result));
                    return ok || !stop_at_failure;
                }};
    }
};

TEST_CASE("commands side by side: all of them, no more than allowed at once, each with its own output") {
    Seen seen;
    run_side_by_side({shell("echo 0"), shell("echo 1; exit 3"), shell("echo 2 >&2"), shell("echo 3"), shell("echo 4")},
                     seen.how(2), test::nothing_interrupts());
    REQUIRE(seen.ended.size() == 5);
    REQUIRE(seen.most == 2);
    REQUIRE(seen.ended.at(0).out == "0\n");
    REQUIRE(seen.ended.at(1).status.exit_code == 3);
    REQUIRE(seen.ended.at(2).err == "2\n");
}

TEST_CASE("two commands that wait for each other end only side by side") {
    const TempDir folder;
    const std::string pipe = (folder / "pipe").string();
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    Seen seen;
    run_side_by_side({shell("echo hello >'" + pipe + "'"), shell("cat '" + pipe + "'")}, seen.how(2),
                     test::nothing_interrupts());
    REQUIRE(seen.ended.at(1).out == "hello\n");
}

TEST_CASE("after a failure no other is begun where that is wished") {
    Seen seen;
    run_side_by_side({shell("exit 1"), shell("echo")}, seen.how(1, true), test::nothing_interrupts());
    REQUIRE(seen.ended.size() == 1);
}

TEST_CASE("a command that can't be started is a failure like any other") {
    Command missing;
    missing.args = {"/nonexistent/program"};
    Seen seen;
    run_side_by_side({missing, shell("echo")}, seen.how(1), test::nothing_interrupts());
    REQUIRE(!seen.ended.at(0).status.exit_code);
    REQUIRE(!seen.ended.at(0).status.signal);
    REQUIRE(test::contains(seen.ended.at(0).err, "/nonexistent/program"));
    REQUIRE(seen.ended.at(1).out == "\n");
}

TEST_CASE("the deadline tells those under way, which are waited for, and begins no other") {
    Interrupts deadline(Clock::now() + std::chrono::milliseconds(200));
    Seen seen;
    // The shell takes the signal when its child has ended.
    run_side_by_side({shell("trap 'echo told; exit 0' TERM; while :; do sleep 0.01; done"), shell("echo")}, seen.how(1),
                     deadline);
    REQUIRE(seen.ended.size() == 1);
    REQUIRE(seen.ended.at(0).out == "told\n");
}

}  // namespace
}  // namespace stasis::sys
