#include "lib/proc/pid_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "lib/base/error.h"
#include "lib/sys/fd.h"

namespace stasis::proc {
namespace {

constexpr int kNotStarted = 127;

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

/// The first process of the namespace: when it ends, all others there do.
[[noreturn]] void be_init(const std::vector<char*>& command, sys::UniqueFd done) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)::setsid();
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) < 0) ::_exit(kNotStarted);
    const pid_t child = ::fork();
    if (child == 0) {
        (void)::execvp(command.front(), command.data());
        ::_exit(kNotStarted);
    }
    int code = kNotStarted;
    int status = 0;
    for (pid_t ended = child; child > 0 && (ended = ::waitpid(-1, &status, 0)) != child;)
        if (ended < 0 && errno != EINTR) ::_exit(kNotStarted);
    if (child > 0) code = code_of(status);
    if (code == 0) (void)::prctl(PR_SET_PDEATHSIG, 0);
    if (::write(done.get(), &code, sizeof code) != sizeof code || code != 0) ::_exit(kNotStarted);
    done.reset();
    const int nothing = ::open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= STDERR_FILENO; ++fd) (void)::dup2(nothing, fd);
    (void)::close_range(STDERR_FILENO + 1, ~0U, 0);
    (void)::chdir("/");
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    ::_exit(0);
}

}  // namespace

int run_in_pid_namespace(std::vector<std::string> command, const std::function<void(pid_t)>& started) {
    std::vector<char*> words;
    for (std::string& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    // Slaves: what is mounted on the host later still gets there, but not the other way.
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) < 0 || ::mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
        throw system_error(errno, "make a pid namespace");
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) < 0) throw system_error(errno, "make a pipe");
    sys::UniqueFd read_end(pipe[0]);
    sys::UniqueFd write_end(pipe[1]);
    const pid_t init = ::fork();
    if (init < 0) throw system_error(errno, "start the first process of a pid namespace");
    if (init == 0) be_init(words, std::move(write_end));
    write_end.reset();
    int code = kNotStarted;
    if (::read(read_end.get(), &code, sizeof code) != sizeof code) code = kNotStarted;
    if (code == 0)
        started(init);
    else
        (void)::waitpid(init, nullptr, 0);
    return code;
}

}  // namespace stasis::proc
