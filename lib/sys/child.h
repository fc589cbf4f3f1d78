#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/sys/fd.h"
#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::sys {

/// How a process ended.
struct WaitStatus {
    std::optional<int> exit_code;
    std::optional<int> signal;

    /// Of what waitpid() said.
    static WaitStatus from(int status);
    bool ok() const { return exit_code == 0; }
    /// "exit code 3" or "signal 9 (Killed)".
    std::string describe() const;
};

/// What to start. The program is found in PATH; there is never a shell. The child gets an empty
/// signal mask, all signals at their defaults (CRIU fails where SIGCHLD is ignored), and a
/// process group of its own, so that a terminal's Ctrl-C does not reach it.
struct Command {
    std::vector<std::string> args;
    std::vector<std::string> set_env;    ///< "NAME=value", replacing what is inherited
    std::vector<std::string> unset_env;  ///< names
    /// For standard input, output and error; -1 means /dev/null.
    int in = -1;
    int out = -1;
    int err = -1;
    /// Further descriptors: our number, the child's number.
    std::vector<std::pair<int, int>> descriptors;
    bool own_process_group = true;
    std::vector<int> blocked_signals;  ///< stay blocked in the child
    bool own_session = false;
};

/// Where a program lies according to PATH.
std::optional<Path> find_program(const std::string& name);

/// A running child; the destructor kills and reaps what was not waited for.
class Child {
  public:
    static Child start(const Command& command);
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}
    Child& operator=(Child&&) = delete;
    ~Child();

    pid_t pid() const { return pid_; }
    /// Becomes readable when the child has ended.
    int pidfd() const { return pidfd_.get(); }
    void signal(int number) const;
    /// Waits for the end. Call it once.
    WaitStatus wait();
    /// Leaves the child running: no kill, no wait.
    void release() { pid_ = -1; }

  private:
    explicit Child(pid_t pid);
    pid_t pid_;
    UniqueFd pidfd_;
};

/// An anonymous file in memory, for a child's input or output.
UniqueFd memory_file(const char* name);

struct RunResult {
    WaitStatus status;
    std::string out;
    std::string err;
};

/// A command that runs while we do something else, its output captured; command.out and
/// command.err are used where they are set. Unfinished, it is killed by the destructor.
class Running {
  public:
    static Running start(Command command);

    /// Becomes readable when the command has ended.
    int pidfd() const { return child_.pidfd(); }
    void signal(int number) const { child_.signal(number); }

    /// Waits for the end. With `interrupts`, a signal or the deadline ends the child with SIGTERM
    /// and throws what Interrupts::check() throws.
    RunResult finish(Interrupts* interrupts);

  private:
    Running(Child child, std::string program, UniqueFd out, UniqueFd err);
    Child child_;
    std::string program_;
    UniqueFd out_;
    UniqueFd err_;
};

/// What a program has to say is in its first line.
std::string first_line(const std::string& text);

/// $PATH with these folders before all others; an empty one is left out.
std::string path_with(const std::vector<Path>& folders);

/// Where this very program lies; for one that only starts it, /proc/self/exe does.
std::string own_path();

/// Where the stand-ins of `program` lie, quicker than what CRIU finds by their names otherwise (libexec/); there need
/// not be any. Empty where others than those who can change the program itself could put some there, as in /tmp/x.
Path stand_ins(const Path& program = own_path());

/// Starts a command and waits for its end.
RunResult run(Command command, Interrupts* interrupts = nullptr);

/// The same, but throws Kind::failed with the command's own last words unless it succeeds.
std::string run_or_throw(Command command, Interrupts* interrupts = nullptr);

/// The output of a command that only tells something. It throws what run_or_throw() throws, and
/// Kind::failed where the command takes longer than `limit` and is ended.
std::string ask(std::vector<std::string> args, std::chrono::milliseconds limit = std::chrono::seconds(10));

/// The first line of what a program says to --version; "" where there is none. Throws as ask() does.
std::string version_of(const std::string& program);

}  // namespace stasis::sys
