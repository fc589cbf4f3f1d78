#include "lib/sys/child.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "lib/base/error.h"

namespace stasis::sys {
namespace {

bool names_variable(const std::string& assignment, const std::string& name) {
    return assignment.size() > name.size() && assignment.compare(0, name.size(), name) == 0 &&
           assignment[name.size()] == '=';
}

std::vector<std::string> child_environment(const Command& command) {
    std::vector<std::string> result = command.set_env;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string assignment = *entry;
        const bool replaced = std::any_of(command.set_env.begin(), command.set_env.end(), [&](const std::string& set) {
            return names_variable(assignment, set.substr(0, set.find('=')));
        });
        const bool unset = std::any_of(command.unset_env.begin(), command.unset_env.end(),
                                       [&](const std::string& name) { return names_variable(assignment, name); });
        if (!replaced && !unset) result.push_back(assignment);
    }
    return result;
}

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const std::string& text : strings) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

}  // namespace

std::optional<Path> find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "");
    for (std::string folder; std::getline(folders, folder, ':');)
        if (const Path candidate = Path(folder) / name; ::access(candidate.c_str(), X_OK) == 0) return candidate;
    return std::nullopt;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string path_with(const std::vector<Path>& folders) {
    std::string result;
    for (const Path& folder : folders)
        if (!folder.empty()) result += folder.native() + ":";
    if (const char* path = std::getenv("PATH")) return result + path;
    if (!result.empty()) result.pop_back();
    return result;
}

std::string own_path() { return read_link("/proc/self/exe").value_or(""); }

Path stand_ins(const Path& program) {
    const Path prefix = program.parent_path().parent_path();
    struct stat file {};
    struct stat folder {};
    if (::stat(program.c_str(), &file) < 0 || ::stat(prefix.c_str(), &folder) < 0) return {};
    if ((folder.st_mode & S_IWOTH) != 0 || (folder.st_uid != 0 && folder.st_uid != file.st_uid)) return {};
    return prefix / "libexec/stasis";
}

WaitStatus WaitStatus::from(int status) {
    WaitStatus result;
    if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
    return result;
}

std::string WaitStatus::describe() const {
    if (exit_code) return "exit code " + std::to_string(*exit_code);
    if (signal) return "signal " + std::to_string(*signal) + " (" + strsignal(*signal) + ")";
    return "an unknown end";
}

Child::Child(pid_t pid) : pid_(pid), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

Child Child::start(const Command& command) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);

    const std::array<int, 3> standard{command.in, command.out, command.err};
    for (int target = 0; target < 3; ++target) {
        const int source = standard[static_cast<std::size_t>(target)];
        if (source >= 0)
            posix_spawn_file_actions_adddup2(&actions, source, target);
        else
            posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_RDWR, 0);
    }
    for (const auto& [ours, theirs] : command.descriptors) posix_spawn_file_actions_adddup2(&actions, ours, theirs);

    sigset_t blocked;
    sigset_t all;
    sigemptyset(&blocked);
    for (const int number : command.blocked_signals) sigaddset(&blocked, number);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &blocked);
    posix_spawnattr_setsigdefault(&attributes, &all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (command.own_session)
        flags |= POSIX_SPAWN_SETSID;
    else if (command.own_process_group)
        flags |= POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setflags(&attributes, flags);

    const std::vector<std::string> environment = child_environment(command);
    std::vector<char*> argv = c_strings(command.args);
    std::vector<char*> envp = c_strings(environment);
    pid_t pid = -1;
    const int failure = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failure != 0) {
        Error error = system_error(failure, "start '" + command.args.front() + "'");
        if (failure == ENOENT) error.hint("install the package that provides '" + command.args.front() + "'");
        throw error.kind(Kind::precondition);
    }
    return Child(pid);
}

Child::~Child() {
    if (pid_ <= 0) return;
    // With what it has started itself, where it leads a group (rsync is three processes).
    (void)::kill(-pid_, SIGKILL);
    signal(SIGKILL);
    (void)wait();
}

void Child::signal(int number) const {
    if (pid_ > 0) (void)::kill(pid_, number);
}

WaitStatus Child::wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WaitStatus::from(status);
}

UniqueFd memory_file(const char* name) {
    UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
    if (!fd) throw system_error(errno, "create a file in memory");
    return fd;
}

Running::Running(Child child, std::string program, UniqueFd out, UniqueFd err)
    : child_(std::move(child)), program_(std::move(program)), out_(std::move(out)), err_(std::move(err)) {}

Running Running::start(Command command) {
    UniqueFd out;
    UniqueFd err;
    if (command.out < 0) {
        out = memory_file("stdout");
        command.out = out.get();
    }
    if (command.err < 0) {
        err = memory_file("stderr");
        command.err = err.get();
    }
    return Running(Child::start(command), command.args.front(), std::move(out), std::move(err));
}

RunResult Running::finish(Interrupts* interrupts) {
    while (interrupts != nullptr) {
        std::array<pollfd, 2> waits{pollfd{child_.pidfd(), POLLIN, 0}, pollfd{interrupts->fd(), POLLIN, 0}};
        (void)::poll(waits.data(), waits.size(), interrupts->poll_timeout_ms());
        if (waits[0].revents != 0) break;
        if (interrupts->pending()) {
            child_.signal(SIGTERM);
            (void)child_.wait();
            interrupts->check();
        }
    }
    RunResult result;
    result.status = child_.wait();
    if (out_) result.out = read_all(out_.get(), "output of " + program_);
    if (err_) result.err = read_all(err_.get(), "errors of " + program_);
    return result;
}

RunResult run(Command command, Interrupts* interrupts) { return Running::start(std::move(command)).finish(interrupts); }

std::string run_or_throw(Command command, Interrupts* interrupts) {
    const std::string program = Path(command.args.front()).filename();
    RunResult result = run(std::move(command), interrupts);
    if (result.status.ok()) return result.out;
    std::string last = result.err.empty() ? result.out : result.err;
    while (!last.empty() && last.back() == '\n') last.pop_back();
    constexpr std::size_t kLongestQuote = 2000;
    if (last.size() > kLongestQuote) last = "…" + last.substr(last.size() - kLongestQuote);
    throw Error(Kind::failed, program + " ended with " + result.status.describe() + (last.empty() ? "" : ": " + last));
}

std::string ask(std::vector<std::string> args, std::chrono::milliseconds limit) {
    Command command;
    command.args = std::move(args);
    const std::string program = command.args.front();
    Interrupts interrupts(Clock::now() + limit);
    try {
        return run_or_throw(std::move(command), &interrupts);
    } catch (const Error& error) {
        if (error.kind() == Kind::interrupted || interrupts.poll_timeout_ms() > 0) throw;
        throw Error(Kind::failed, "'" + program + "' did not end within " + std::to_string(limit.count()) + " ms");
    }
}

std::string version_of(const std::string& program) {
    return find_program(program) ? first_line(ask({program, "--version"})) : "";
}

}  // namespace stasis::sys
