#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "lib/criu/criu.h"
#include "lib/sys/child.h"
#include "lib/sys/file.h"

namespace stasis::criu {

/// Why what these images hold can't be restored lazily on this host, as a clause; empty where it can: the kernel
/// must have userfaultfd with events for forks, remaps and unmaps (Linux 4.11), and allow it to the tasks.
std::string lazy_obstacle(const sys::Path& images);

/// `criu lazy-pages` as a child: it puts the memory of a lazily restored target into it, page by page from the
/// images or from a page server, those first for which a task waits.
///
/// It alone holds the userfaultfds. Once it ends, however it does, the kernel resolves every fault with a page of
/// zeros: a target that still misses memory goes on with none in its place. So it is traced: a process with
/// PTRACE_O_TRACEEXIT stops at its end before it closes anything (ptrace(2), PTRACE_EVENT_EXIT; seen for SIGKILL
/// as well on Linux 6.18), and is let go only when the target is dead. A duplicate of a userfaultfd would not do:
/// CRIU (4.2) closes that of a task that has everything and relies on epoll to forget it with that.
/// Should we die instead, it is traced no more and goes on until all is in: it has a session of its own, heeds no
/// SIGTERM, and holds the lock that it is given.
class LazyPages {
  public:
    /// Starts it, and returns when it listens in the folder `work`, where a restore with --lazy-pages looks for it.
    /// `log_name`: its log in `work`. `inherited`: descriptors that it keeps under the same numbers.
    /// `page_server`: the socket of one that has the pages, or -1: they are in the images. Throws Kind::failed with the
    /// lines of its log.
    LazyPages(const Binary& criu, const sys::Path& images, const sys::Path& work, const std::string& log_name,
              const std::vector<int>& inherited, int page_server);
    /// Ends it where it has not ended: only for a target that has all its memory, or is dead.
    ~LazyPages();
    LazyPages(const LazyPages&) = delete;
    LazyPages& operator=(const LazyPages&) = delete;

    /// From here on it is traced; to be called before the restore begins. When it ends and was not done,
    /// `end_target` is called in a thread of its own: it must kill all that was or is being restored, and return
    /// when that is dead. Throws Kind::failed.
    void supervise(std::function<void()> end_target);

    /// How it ended, after at most `time`: anything but ok() means that the target was killed. It ends by itself
    /// when all is in, or all tasks are gone.
    std::optional<sys::WaitStatus> wait(std::chrono::milliseconds time);

    pid_t pid() const { return child_.pid(); }

    sys::Path log() const { return log_; }

  private:
    void trace(const std::function<void()>& end_target, std::promise<void> traced);

    sys::Path socket_;
    sys::Path log_;
    sys::Child child_;
    std::atomic<bool> abandoned_ = false;
    std::promise<sys::WaitStatus> ended_;
    std::future<sys::WaitStatus> end_ = ended_.get_future();
    std::thread tracer_;
};

}  // namespace stasis::criu
