#include "lib/criu/lazy_pages.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "lib/base/error.h"
#include "lib/criu/log.h"

namespace stasis::criu {
namespace {

/// Where a restore looks for the daemon, in its work folder (CRIU 4.2, uffd.c).
constexpr const char* kSocket = "lazy-pages.socket";

bool has_user_namespace(const sys::Path& images) {
    for (const auto& entry : std::filesystem::directory_iterator(images))
        if (entry.path().filename().native().starts_with("userns-")) return true;
    return false;
}

sys::Child start_daemon(const Binary& criu, const sys::Path& images, const sys::Path& work, const std::string& log_name,
                        const std::vector<int>& inherited, int page_server, int status) {
    sys::Command command;
    command.args = {
        criu.path, "--no-default-config", "lazy-pages", "--images-dir", images,        "--work-dir",
        work,      "--log-file",          log_name,     "-v2",          "--status-fd", std::to_string(status)};
    command.unset_env = {"CRIU_CONFIG_FILE"};
    command.descriptors = {{status, status}};
    if (page_server >= 0) {
        command.args.insert(command.args.end(), {"--page-server", "--ps-socket", std::to_string(page_server)});
        command.descriptors.emplace_back(page_server, page_server);
    }
    for (const int fd : inherited) command.descriptors.emplace_back(fd, fd);
    command.own_session = true;
    command.blocked_signals = {SIGINT, SIGTERM, SIGHUP};  // it must go on when we are ended
    return sys::Child::start(command);
}

/// Starts it and waits until it listens: then it writes a byte to its --status-fd.
sys::Child start_listening(const Binary& criu, const sys::Path& images, const sys::Path& work,
                           const std::string& log_name, const std::vector<int>& inherited, int page_server) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) throw system_error(errno, "create a pipe");
    const sys::UniqueFd ours(ends[0]);
    sys::UniqueFd theirs(ends[1]);
    sys::Child child = start_daemon(criu, images, work, log_name, inherited, page_server, theirs.get());
    theirs.reset();  // kept open, an early end would never become an end of file
    char byte = 0;
    ssize_t got = 0;
    do {
        got = ::read(ours.get(), &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 1) return child;
    Error error(Kind::failed, "`criu lazy-pages` ended with " + child.wait().describe());
    error.log(work / log_name);
    explain(error, work / log_name);
    throw error;
}

}  // namespace

std::string lazy_obstacle(const sys::Path& images) {
    const sys::UniqueFd fd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
    if (!fd) return std::string("the kernel gives no userfaultfd (") + std::strerror(errno) + ")";
    uffdio_api api{};
    api.api = UFFD_API;
    api.features =
        UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMOVE;
    if (::ioctl(fd.get(), UFFDIO_API, &api) < 0)
        return std::string("the kernel's userfaultfd does not tell of forks and remaps (") + std::strerror(errno) + ")";
    // The tasks open their userfaultfds themselves, with no more rights than they have.
    if (has_user_namespace(images) &&
        sys::read_file_if_exists("/proc/sys/vm/unprivileged_userfaultfd").value_or("").starts_with("0"))
        return "it has a user namespace, in which vm.unprivileged_userfaultfd=0 forbids userfaultfd";
    return "";
}

LazyPages::LazyPages(const Binary& criu, const sys::Path& images, const sys::Path& work, const std::string& log_name,
                     const std::vector<int>& inherited, int page_server)
    : socket_(work / kSocket),
      log_(work / log_name),
      child_(start_listening(criu, images, work, log_name, inherited, page_server)) {}

LazyPages::~LazyPages() {
    abandoned_ = true;
    // By its pidfd: it may have been reaped.
    (void)::syscall(SYS_pidfd_send_signal, child_.pidfd(), SIGKILL, nullptr, 0);
    if (tracer_.joinable()) {
        tracer_.join();
        child_.release();
    }
    (void)::unlink(socket_.c_str());
}

void LazyPages::supervise(std::function<void()> end_target) {
    std::promise<void> traced;
    std::future<void> begun = traced.get_future();
    tracer_ = std::thread(&LazyPages::trace, this, std::move(end_target), std::move(traced));
    begun.get();
}

/// Only the thread that has begun to trace may go on with it.
void LazyPages::trace(const std::function<void()>& end_target, std::promise<void> traced) {
    const pid_t pid = child_.pid();
    const bool seized = ::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACEEXIT) == 0;
    if (seized)
        traced.set_value();
    else
        traced.set_exception(std::make_exception_ptr(system_error(errno, "trace `criu lazy-pages`")));

    int status = 0;
    while (::waitpid(pid, &status, __WALL) == pid || errno == EINTR) {
        if (WIFEXITED(status) || WIFSIGNALED(status)) break;
        const int event = status >> 16;
        const int number = WSTOPSIG(status);
        if (event == PTRACE_EVENT_EXIT) {
            unsigned long code = 0;
            (void)::ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &code);
            if (code != 0 && !abandoned_) end_target();
            (void)::ptrace(PTRACE_CONT, pid, nullptr, 0);
        } else if (event == PTRACE_EVENT_STOP && number != SIGTRAP) {
            (void)::ptrace(PTRACE_LISTEN, pid, nullptr, 0);  // stopped by a SIGSTOP, and stays so
        } else {
            (void)::ptrace(PTRACE_CONT, pid, nullptr, event == 0 ? number : 0);
        }
    }
    ended_.set_value(sys::WaitStatus::from(status));
}

std::optional<sys::WaitStatus> LazyPages::wait(std::chrono::milliseconds time) {
    if (end_.wait_for(time) != std::future_status::ready) return std::nullopt;
    return end_.get();
}

}  // namespace stasis::criu
