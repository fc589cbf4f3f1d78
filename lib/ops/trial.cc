#include "lib/ops/trial.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <deque>
#include <future>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "lib/base/error.h"
#include "lib/proc/process.h"
#include "lib/sys/child.h"
#include "lib/sys/socket.h"

namespace stasis::ops {
namespace {

using move::Frame;

/// A child that outlives us where we are killed. It holds the socket for pages open as well: at its end `criu
/// lazy-pages` would end, and the container would read zeros.
class Guard {
  public:
    explicit Guard(const sys::UniqueFd& pages) : Guard(pages, sys::socket_pair()) {}

    void watch(pid_t root) const {
        if (::write(pids_.get(), &root, sizeof root) != sizeof root)
            throw system_error(errno, "tell who guards the container what it is");
    }

  private:
    Guard(const sys::UniqueFd& pages, std::pair<sys::UniqueFd, sys::UniqueFd> ends)
        : pids_(std::move(ends.first)), child_(start(ends.second, pages)) {}

    static sys::Child start(const sys::UniqueFd& pids, const sys::UniqueFd& pages) {
        sys::Command command;
        command.args = {"/proc/self/exe", "guard-trial"};
        command.in = pids.get();
        command.out = pages.get();
        command.own_session = true;
        command.blocked_signals = {SIGINT, SIGTERM, SIGHUP};
        return sys::Child::start(command);
    }

    sys::UniqueFd pids_;
    sys::Child child_;  ///< is ended before the other end of its socket is closed
};

/// Asks the source, in a thread of its own, for what `criu lazy-pages` asks for. The link is the thread's meanwhile.
class Borrower {
  public:
    Borrower(move::Channel& channel, pages::Layout layout)
        : channel_(channel),
          layout_(layout),
          wake_(::eventfd(0, EFD_CLOEXEC)),
          either_(::epoll_create1(EPOLL_CLOEXEC)),
          told_to_run_(trial_.get_future()) {
        std::tie(ours_, theirs_) = sys::socket_pair();
        for (const int fd : {wake_.get(), ours_.get()}) {
            epoll_event event{EPOLLIN, {.fd = fd}};
            if (::epoll_ctl(either_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
                throw system_error(errno, "wait for what is asked for");
        }
        thread_ = std::thread([this] {
            try {
                work();
            } catch (...) {
                failure_ = std::current_exception();
                if (!ran_) trial_.set_exception(failure_);
            }
            // Who asks for more is told that there is none.
            (void)::shutdown(ours_.get(), SHUT_RDWR);
        });
    }
    ~Borrower() { stop(); }
    Borrower(const Borrower&) = delete;
    Borrower& operator=(const Borrower&) = delete;

    const sys::UniqueFd& ours() const { return ours_; }
    const sys::UniqueFd& theirs() const { return theirs_; }

    /// Has the thread send a frame.
    void say(Frame frame) {
        {
            const std::lock_guard hold(mutex_);
            to_say_.push_back(std::move(frame));
        }
        wake();
    }

    /// Waits until the source says so. Throws what the thread failed by.
    void wait_for_trial() { told_to_run_.get(); }

    /// Ends the thread: the link is the caller's again.
    void stop() {
        if (!thread_.joinable()) return;
        {
            const std::lock_guard hold(mutex_);
            stopping_ = true;
        }
        wake();
        thread_.join();
    }

    /// Throws what a thread that was stopped had failed by, if it had.
    void check() const {
        if (failure_) std::rethrow_exception(failure_);
    }

  private:
    void wake() const {
        constexpr std::uint64_t kOne = 1;
        (void)!::write(wake_.get(), &kOne, sizeof kOne);
    }

    void work() {
        for (;;) {
            const move::Channel::Ready ready = channel_.wait_beside(either_.get(), POLLIN, true, uninterrupted_);
            if (ready.frame) hear(channel_.receive(uninterrupted_));
            if (ready.events == 0) continue;
            if (is_readable(wake_) && !follow_orders()) return;
            if (is_readable(ours_)) ask();
        }
    }

    static bool is_readable(const sys::UniqueFd& fd) {
        pollfd now{fd.get(), POLLIN, 0};
        return ::poll(&now, 1, 0) == 1;
    }

    /// False when there is nothing more to be done.
    bool follow_orders() {
        std::uint64_t count = 0;
        (void)!::read(wake_.get(), &count, sizeof count);
        for (;;) {
            Frame frame;
            {
                const std::lock_guard hold(mutex_);
                if (to_say_.empty()) return !stopping_;
                frame = std::move(to_say_.front());
                to_say_.pop_front();
            }
            channel_.send(frame, uninterrupted_);
        }
    }

    void hear(const Frame& frame) {
        if (frame.has_trial() && !std::exchange(ran_, true))
            trial_.set_value();
        else if (frame.has_data() && !asked_.empty())
            pass_on(frame.data().bytes());
        else
            throw move::unexpected();
    }

    void ask() {
        std::array<std::byte, pages::kLargestHeader> bytes{};
        const std::span<std::byte> space(bytes.data(), layout_.header_size);
        const ssize_t got = ::recv(ours_.get(), space.data(), space.size(), MSG_WAITALL);
        if (got < 0) throw system_error(errno, "read what CRIU asks for");
        const auto header = static_cast<std::size_t>(got) == space.size() ? pages::parse_header(layout_, space)
                                                                          : std::optional<pages::Header>();
        if (header && pages::is_close(*header)) return write(pages::kClosed);
        if (!header || header->command != pages::Command::get)
            throw Error(Kind::failed, "CRIU asked for pages by a protocol that stasis does not know");
        Frame frame;
        frame.mutable_ask()->set_task(header->image);
        frame.mutable_ask()->set_address(header->address);
        frame.mutable_ask()->set_pages(header->count);
        channel_.send(frame, uninterrupted_);
        asked_.push_back(*header);
    }

    /// What was asked for first comes first.
    void pass_on(std::string_view bytes) {
        pages::Header header = asked_.front();
        const std::uint64_t all = header.count * pages::kPageSize;
        if (given_ == 0) {
            header.command = pages::Command::add;
            header.flags = pages::kPresent;
            write(pages::format_header(layout_, header));
        }
        given_ += bytes.size();
        if (bytes.empty() || given_ > all) throw move::unexpected();
        write(std::as_bytes(std::span(bytes)));
        if (given_ < all) return;
        asked_.pop_front();
        given_ = 0;
    }

    void write(std::span<const std::byte> bytes) const {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(ours_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) throw system_error(errno, "give CRIU the pages that it asked for");
            bytes = bytes.subspan(static_cast<std::size_t>(sent));
        }
    }

    move::Channel& channel_;
    pages::Layout layout_;
    sys::Interrupts uninterrupted_ = sys::Interrupts::none();
    sys::UniqueFd wake_;
    sys::UniqueFd either_;
    sys::UniqueFd ours_;
    sys::UniqueFd theirs_;
    std::deque<pages::Header> asked_;
    std::uint64_t given_ = 0;  ///< bytes, to the first of them
    bool ran_ = false;
    std::promise<void> trial_;
    std::future<void> told_to_run_;
    std::exception_ptr failure_;  ///< of the thread; not to be looked at before it has ended
    std::mutex mutex_;            ///< of all that follows
    std::deque<Frame> to_say_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace

int restore_on_trial(Context& context, move::Channel& channel, pages::Layout layout, RestoreRequest request,
                     const std::function<void(int pid)>& let_go) {
    Borrower source(channel, layout);
    const Guard guard(source.ours());
    request.hold = true;
    request.lazy = true;
    request.page_socket = source.theirs().get();
    request.restored = [&, restored = std::move(request.restored)](int pid, bool lazy) {
        restored(pid, lazy);
        guard.watch(pid);
        Frame ready;
        (void)ready.mutable_ready();
        source.say(std::move(ready));
        source.wait_for_trial();
        let_go(pid);
        Frame runs;
        runs.mutable_runs()->set_pid(pid);
        source.say(std::move(runs));
    };
    try {
        const int pid = restore(context, request).pid;
        source.stop();
        return pid;
    } catch (const Error&) {
        source.stop();
        source.check();  // its failure comes first
        throw;
    }
}

void guard_trial(int pids) {
    pid_t pid = 0;
    if (::read(pids, &pid, sizeof pid) != sizeof pid) return;
    const std::optional<proc::Stat> root = proc::read_stat(pid);
    char nothing = 0;
    while (::read(pids, &nothing, 1) < 0 && errno == EINTR) {
    }
    if (root) proc::kill_tree(root->id);
}

}  // namespace stasis::ops
