#include "lib/sys/child.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <sstream>

#include "lib/proc/process.h"
#include "lib/sys/lock.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::sys {
namespace {

using test::contains;
using test::Environment;
using test::error_of;
using test::TempDir;

Command command(std::vector<std::string> args) {
    Command result;
    result.args = std::move(args);
    return result;
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

TEST_CASE("a program that is not there is a precondition with a remedy") {
    const Error error = error_of([] { (void)run(command({"/nowhere/program"})); });
    REQUIRE(error.kind() == Kind::precondition);
    REQUIRE(contains(error.message(), "cannot start '/nowhere/program'"));
    REQUIRE(contains(error.hint(), "install"));
    const TempDir temp;
    test::write(temp / "plain", "no program");
    REQUIRE(error_of([&] { (void)run(command({temp / "plain"})); }).kind() == Kind::precondition);
    REQUIRE_FALSE(has_children());
}

TEST_CASE("stand-ins are taken from a place only where nobody else can put them") {
    const TempDir temp;
    std::filesystem::create_directories(temp / "prefix/sbin");
    const Path program = temp / "prefix/sbin/stasis";
    test::write(program, "");
    REQUIRE(::chmod((temp / "prefix").c_str(), 0755) == 0);
    REQUIRE(stand_ins(program) == temp / "prefix/libexec/stasis");
    REQUIRE(::chmod((temp / "prefix").c_str(), 01777) == 0);
    REQUIRE(stand_ins(program).empty());
    REQUIRE(stand_ins(temp / "nowhere/sbin/stasis").empty());
}

TEST_CASE("folders are put before those of PATH") {
    const Environment path("PATH", "/a:/b");
    REQUIRE(path_with({"/x", "", "/y"}) == "/x:/y:/a:/b");
    ::unsetenv("PATH");
    REQUIRE(path_with({"/x", "/y"}) == "/x:/y");
    REQUIRE(path_with({""}).empty());
}

TEST_CASE("the end of a program is told apart") {
    REQUIRE(run(command({"true"})).status.ok());
    const WaitStatus three = run(command({"sh", "-c", "exit 3"})).status;
    REQUIRE(three.exit_code == 3);
    REQUIRE_FALSE(three.signal);
    REQUIRE_FALSE(three.ok());
    REQUIRE(three.describe() == "exit code 3");
    const WaitStatus killed = run(command({"sh", "-c", "kill -9 $$"})).status;
    REQUIRE(killed.signal == SIGKILL);
    REQUIRE_FALSE(killed.exit_code);
    REQUIRE_FALSE(killed.ok());
    REQUIRE(killed.describe() == "signal 9 (Killed)");
}

TEST_CASE("a child may have a session of its own, and be deaf to signals") {
    // Not a shell: dash unblocks all signals when it starts a program.
    Command cat = command({"cat", "/proc/self/stat", "/proc/self/status"});
    const auto session_and_mask = [&] {
        const std::string said = run(cat).out;
        std::istringstream words(said);
        std::array<std::string, 6> stat;
        for (std::string& word : stat) REQUIRE(words >> word);
        const std::string label = "SigBlk:\t";
        const std::size_t at = said.find(label);
        REQUIRE(at != std::string::npos);
        return std::pair(stat[0] == stat[5], std::stoull(said.substr(at + label.size(), 16), nullptr, 16));
    };
    cat.own_session = true;
    cat.blocked_signals = {SIGHUP, SIGINT, SIGTERM};
    constexpr unsigned long long kMask = 1ULL << (SIGHUP - 1) | 1ULL << (SIGINT - 1) | 1ULL << (SIGTERM - 1);
    REQUIRE(session_and_mask() == std::pair(true, kMask));
    cat.own_session = false;
    cat.blocked_signals.clear();
    REQUIRE(session_and_mask() == std::pair(false, 0ULL));
}

TEST_CASE("output of any size is captured whole, both streams apart") {
    const RunResult result =
        run(command({"sh", "-c", "head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2; exit 1"}));
    REQUIRE(result.out == std::string(3'000'000, '\0'));
    REQUIRE(result.err == std::string(2'000'000, '\0'));
    REQUIRE(result.status.exit_code == 1);
}

TEST_CASE("standard input is empty unless it is given") {
    REQUIRE(run(command({"cat"})).out.empty());
    const UniqueFd text = memory_file("text");
    write_all(text.get(), "given", "text");
    (void)::lseek(text.get(), 0, SEEK_SET);
    Command cat = command({"cat"});
    cat.in = text.get();
    REQUIRE(run(cat).out == "given");
}

TEST_CASE("variables are set, replaced and taken away") {
    const Environment replaced("STASIS_TEST_A", "before");
    const Environment dropped("STASIS_TEST_B", "before");
    const Environment kept("STASIS_TEST_BB", "kept");
    Command env = command({"env"});
    env.set_env = {"STASIS_TEST_A=after=all", "STASIS_TEST_NEW=1"};
    env.unset_env = {"STASIS_TEST_B", "STASIS_TEST_MISSING"};
    const std::string out = "\n" + run(env).out;
    REQUIRE(contains(out, "\nSTASIS_TEST_A=after=all\n"));
    REQUIRE(contains(out, "\nSTASIS_TEST_NEW=1\n"));
    REQUIRE(contains(out, "\nSTASIS_TEST_BB=kept\n"));
    REQUIRE_FALSE(contains(out, "\nSTASIS_TEST_A=before\n"));
    REQUIRE_FALSE(contains(out, "\nSTASIS_TEST_B="));
    REQUIRE(std::string(std::getenv("STASIS_TEST_A")) == "before");
}

TEST_CASE("a child starts with clean signals, whatever ours are") {
    const Interrupts interrupts{std::nullopt};  // blocks signals
    const auto before = std::signal(SIGUSR1, SIG_IGN);
    const std::string out = run(command({"grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"})).out;
    (void)std::signal(SIGUSR1, before);
    constexpr unsigned long long kOfTheLibrary = 3ULL << 31;  // glibc keeps 32 and 33 to itself
    std::istringstream lines(out);
    for (std::string name, mask; lines >> name >> mask;) {
        INFO(name << " " << mask);
        REQUIRE((std::stoull(mask, nullptr, 16) & ~kOfTheLibrary) == 0);
    }
    REQUIRE(contains(out, "SigIgn:"));
}

TEST_CASE("a child inherits only what it was given") {
    // Numbers that the shell does not use for itself.
    const UniqueFd ours(::fcntl(memory_file("ours").get(), F_DUPFD_CLOEXEC, 80));
    const UniqueFd given(::fcntl(memory_file("theirs").get(), F_DUPFD_CLOEXEC, 90));
    Command list = command({"sh", "-c", "cd /proc/$$/fd && echo *"});  // the shell's own, by itself
    const auto is_there = [&list](int number) {
        std::istringstream numbers(run(list).out);
        for (int each = 0; numbers >> each;)
            if (each == number) return true;
        return false;
    };
    constexpr int kFree = 77;
    REQUIRE(is_there(2));
    REQUIRE_FALSE(is_there(ours.get()));
    REQUIRE_FALSE(is_there(kFree));
    list.descriptors = {{given.get(), kFree}};
    REQUIRE(is_there(kFree));
    REQUIRE_FALSE(is_there(given.get()));
    list.descriptors = {{given.get(), given.get()}};  // the same number
    REQUIRE(is_there(given.get()));
}

TEST_CASE("a child has a process group of its own unless told otherwise") {
    Command own = command({"sh", "-c", "cut -d' ' -f1,5 /proc/$$/stat"});
    std::string out = run(own).out;
    REQUIRE(out.substr(0, out.find(' ')) + "\n" == out.substr(out.find(' ') + 1));
    own.own_process_group = false;
    out = run(own).out;
    REQUIRE(out.substr(out.find(' ') + 1) == std::to_string(::getpgrp()) + "\n");
}

TEST_CASE("a deadline ends the child") {
    Interrupts soon{Clock::now() + std::chrono::milliseconds(30)};
    const Clock::time_point began = Clock::now();
    const Error error = error_of([&] { (void)run(command({"sleep", "60"}), &soon); });
    REQUIRE(Clock::now() - began < std::chrono::seconds(2));
    REQUIRE(error.kind() == Kind::failed);
    REQUIRE(contains(error.message(), "--timeout"));
    REQUIRE_FALSE(has_children());
}

TEST_CASE("a signal ends the child") {
    Interrupts interrupts{std::nullopt};
    (void)::raise(SIGTERM);
    const Error error = error_of([&] { (void)run(command({"sleep", "60"}), &interrupts); });
    REQUIRE(error.kind() == Kind::interrupted);
    REQUIRE(error.signal() == SIGTERM);
    REQUIRE_FALSE(has_children());
}

TEST_CASE("what is not waited for is killed, unless it is released") {
    pid_t dropped = 0;
    {
        const Child child = Child::start(command({"sleep", "60"}));
        dropped = child.pid();
        REQUIRE(proc::read_stat(dropped));
    }
    REQUIRE_FALSE(proc::read_stat(dropped));
    pid_t released = 0;
    {
        Child child = Child::start(command({"sleep", "60"}));
        released = child.pid();
        child.release();
    }
    REQUIRE(proc::read_stat(released));
    REQUIRE(::kill(released, SIGKILL) == 0);
    REQUIRE(::waitpid(released, nullptr, 0) == released);
}

TEST_CASE("run_or_throw quotes the last words") {
    REQUIRE(run_or_throw(command({"echo", "fine"})) == "fine\n");
    const auto message = [](const std::string& script) {
        return error_of([&] { (void)run_or_throw(command({"sh", "-c", script})); }).message();
    };
    REQUIRE(message("echo out; echo why >&2; exit 4") == "sh ended with exit code 4: why");
    REQUIRE(message("echo said; exit 4") == "sh ended with exit code 4: said");
    REQUIRE(message("exit 4") == "sh ended with exit code 4");
    REQUIRE(message("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 4").size() < 2100);
}

TEST_CASE("a command that only tells something has its time") {
    REQUIRE(ask({"echo", "said"}) == "said\n");
    REQUIRE(error_of([] { (void)ask({"/nowhere/program"}); }).kind() == Kind::precondition);
    const Clock::time_point began = Clock::now();
    const Error error = error_of([] { (void)ask({"sleep", "60"}, std::chrono::milliseconds(30)); });
    REQUIRE(Clock::now() - began < std::chrono::seconds(2));
    REQUIRE(error.message() == "'sleep' did not end within 30 ms");
}

TEST_CASE("a lock keeps other processes out, and is let go with its descriptor") {
    const TempDir temp;
    const Path path = temp / "lock";
    const auto others_can = [&] { return run(command({"flock", "-n", path, "true"})).status.ok(); };
    {
        const std::optional<UniqueFd> lock = try_lock(path, true);
        REQUIRE(lock);
        REQUIRE(test::mode_of(path) == 0600);
        REQUIRE_FALSE(others_can());
        REQUIRE_FALSE(try_lock(path, true));
        REQUIRE_FALSE(try_lock(path, false));
    }
    REQUIRE(others_can());
    REQUIRE_THROWS_AS(try_lock(temp / "none", false), Error);
    REQUIRE_FALSE(test::exists(temp / "none"));
    std::filesystem::create_symlink("lock", temp / "link");
    REQUIRE_THROWS_AS(try_lock(temp / "link", true), Error);
}

TEST_CASE("a lock that another process holds is seen, waited for, and gone with it") {
    const TempDir temp;
    const Path path = temp / "lock";
    std::array<int, 2> pipe{};
    REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
    const UniqueFd from(pipe[0]);
    UniqueFd to(pipe[1]);
    Command holder = command({"flock", "-o", path, "sh", "-c", "echo held; exec sleep 0.2"});
    holder.out = to.get();
    Child child = Child::start(holder);
    to.reset();
    std::array<char, 8> said{};
    REQUIRE(::read(from.get(), said.data(), said.size()) == 5);
    REQUIRE_FALSE(try_lock(path, true));
    REQUIRE(wait_for_lock(path));
    REQUIRE(child.wait().ok());
}

TEST_CASE("signals and deadlines are noted where it is safe") {
    Interrupts none{std::nullopt};
    REQUIRE_FALSE(none.pending());
    REQUIRE_NOTHROW(none.check());
    REQUIRE(none.poll_timeout_ms() == -1);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        Interrupts interrupts{std::nullopt};
        (void)::raise(number);
        REQUIRE(interrupts.pending());
        REQUIRE(interrupts.pending());  // and stays so
        const Error error = error_of([&] { interrupts.check(); });
        REQUIRE(error.kind() == Kind::interrupted);
        REQUIRE(error.signal() == number);
        REQUIRE(error_of([&] { interrupts.check(); }).signal() == number);
    }
    REQUIRE_FALSE(none.pending());

    Interrupts later{Clock::now() + std::chrono::hours(1)};
    REQUIRE_FALSE(later.pending());
    REQUIRE(later.poll_timeout_ms() > 3'500'000);
    REQUIRE(later.poll_timeout_ms() <= 3'600'000);
    Interrupts passed{Clock::now() - std::chrono::seconds(1)};
    REQUIRE(passed.pending());
    REQUIRE(passed.poll_timeout_ms() == 0);
    const Error error = error_of([&] { passed.check(); });
    REQUIRE(error.kind() == Kind::failed);
    REQUIRE_FALSE(error.signal());
    REQUIRE(contains(error.hint(), "--timeout"));
}

}  // namespace
}  // namespace stasis::sys
