#include "lib/ops/selftest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "lib/base/error.h"
#include "lib/criu/images.h"
#include "lib/criu/options.h"
#include "lib/inspect/look.h"
#include "lib/ops/network_lock.h"
#include "lib/proc/orphans.h"

namespace stasis::ops {
namespace {

constexpr int kPidTimeoutMs = 10'000;
constexpr int kPortTimeoutMs = 10'000;
constexpr int kAnswerTimeoutMs = 5'000;
constexpr auto kTick = std::chrono::milliseconds(10);

/// A folder in /tmp that vanishes with us.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = "/tmp/stasis-selftest.XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw system_error(errno, "create a folder in /tmp");
        path_ = name;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const Path& path() const { return path_; }

  private:
    Path path_;
};

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

/// What the target answers on its socket: how often its timer has fired. Throws where it does not answer.
long ask(std::uint16_t port) {
    const sys::UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    std::array<char, 32> text{};
    pollfd answered{client.get(), POLLIN, 0};
    if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
        ::poll(&answered, 1, kAnswerTimeoutMs) != 1 || ::read(client.get(), text.data(), text.size() - 1) <= 0)
        throw Error(Kind::failed, "the self-test's own process does not answer on its socket");
    return std::atol(text.data());
}

/// Waits until it has fired more often than that.
void wait_for_timer(std::uint16_t port, long fired, sys::Interrupts& interrupts) {
    const Clock::time_point end = Clock::now() + std::chrono::milliseconds(kAnswerTimeoutMs);
    while (ask(port) <= fired) {
        if (Clock::now() >= end) throw Error(Kind::failed, "the timer of the self-test's own process stands still");
        interrupts.pause(kTick);
    }
}

/// Reads the number that the target writes when it listens.
std::uint16_t read_port(int pipe) {
    std::array<char, 16> text{};
    pollfd ready{pipe, POLLIN, 0};
    if (::poll(&ready, 1, kPortTimeoutMs) != 1 || ::read(pipe, text.data(), text.size() - 1) <= 0)
        throw Error(Kind::failed, "the self-test's own process did not start");
    return static_cast<std::uint16_t>(std::atoi(text.data()));
}

criu::rpc::Options options_for(const sys::UniqueFd& folder, const OptionList& chosen, const criu::Binary& criu,
                               const char* log) {
    constexpr int kFullLog = 4;
    criu::rpc::Options options;
    options.set_images_dir_fd(folder.get());
    options.set_log_file(log);
    options.set_log_level(kFullLog);
    criu::apply(chosen, criu.version, options);
    return options;
}

/// The child of the target: for each tick of a timer one byte into a pipe, until nobody reads it.
[[noreturn]] void tick_into(int pipe) {
    const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    const timespec interval{0, std::chrono::nanoseconds(kTick).count()};
    const itimerspec setting{interval, interval};
    (void)::timerfd_settime(timer, 0, &setting, nullptr);
    for (std::uint64_t ticks = 0; ::read(timer, &ticks, sizeof ticks) == sizeof ticks;)
        if (::write(pipe, ".", 1) != 1) break;
    ::_exit(0);
}

/// The target: counts what comes through the pipe, and tells the count to who asks on the socket.
[[noreturn]] void count_and_tell(int pipe, int listener) {
    std::array<pollfd, 2> waits{pollfd{pipe, POLLIN, 0}, pollfd{listener, POLLIN, 0}};
    for (long count = 0;;) {
        (void)::poll(waits.data(), waits.size(), -1);
        std::array<char, 64> ticks{};
        if (waits[0].revents != 0) {
            const long read = ::read(pipe, ticks.data(), ticks.size());
            if (read <= 0) ::_exit(1);
            count += read;
        }
        if (waits[1].revents == 0) continue;
        const sys::UniqueFd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        const std::string text = std::to_string(count);
        (void)!::write(client.get(), text.data(), text.size());
    }
}

}  // namespace

int run_selftest_target() {
    (void)::setsid();
    // What our starter's starter left open is not ours: CRIU's restore waits for ever for a lock that
    // they hold (`flock FILE stasis check`, seen with 4.2.1).
    (void)::close_range(STDERR_FILENO + 1, ~0U, 0);
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int reuse = 1;  // who asked before may still be known to the kernel when the port is bound again
    (void)::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    std::array<int, 2> pipe{};
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
        ::listen(listener, 1) < 0 || ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) < 0 ||
        ::pipe2(pipe.data(), O_CLOEXEC) < 0)
        return 1;
    const std::string text = std::to_string(ntohs(address.sin_port));
    (void)!::write(STDOUT_FILENO, text.data(), text.size());
    // The pipe to our starter is from outside: let go of it before the dump.
    (void)::dup2(STDIN_FILENO, STDOUT_FILENO);
    if (::fork() == 0) {
        (void)::close(listener);
        (void)::close(pipe[0]);
        tick_into(pipe[1]);
    }
    (void)::close(pipe[1]);
    count_and_tell(pipe[0], listener);
}

void run_selftest(const criu::Binary& criu, sys::Interrupts& interrupts) {
    const TemporaryFolder folder;
    const sys::UniqueFd images = sys::open_path(folder.path(), O_RDONLY | O_DIRECTORY);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw system_error(errno, "create a pipe");
    const sys::UniqueFd from_target(ends[0]);
    sys::UniqueFd to_us(ends[1]);

    sys::Command command;
    command.args = {"/proc/self/exe", "selftest-target"};
    command.out = to_us.get();
    command.own_process_group = false;  // it makes a session of its own
    const proc::Orphans orphans;        // its own child is ours to reap
    sys::Child child = sys::Child::start(command);
    to_us.reset();
    const std::uint16_t port = read_port(from_target.get());
    (void)::read(from_target.get(), &ends, sizeof ends);  // until it has let go of the pipe

    wait_for_timer(port, 0, interrupts);

    const pid_t pid = child.pid();
    const std::optional<proc::Stat> stat = proc::read_stat(pid);
    const inspect::Surroundings surroundings{
        .has_nftables = has_nftables(), .network_outlives_target = true, .keeps_running = false};
    const OptionList chosen = inspect::look(stat->id, surroundings, inspect::Tcp::keep, interrupts).options;
    criu::rpc::Options dump = options_for(images, chosen, criu, "dump.log");
    dump.set_pid(pid);
    const criu::OnEvent ignore = [](criu::Event&) {};
    (void)criu::dump(criu, dump, folder.path() / "dump.log", ignore, interrupts);
    if (!proc::wait_until_ended(stat->id, kPidTimeoutMs))
        throw Error(Kind::failed, "CRIU says that it has dumped and ended a process, which goes on");
    (void)child.wait();
    orphans.end_all();                      // the pids are free again
    criu::mend_files_image(folder.path());  // as after any dump

    try {
        (void)criu::restore(criu, options_for(images, chosen, criu, "restore.log"), folder.path() / "restore.log",
                            ignore, interrupts);
        wait_for_timer(port, ask(port), interrupts);
    } catch (const Error&) {
        orphans.end_all();
        throw;
    }
    orphans.end_all();
}

}  // namespace stasis::ops
