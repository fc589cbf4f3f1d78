#pragma once

#include <atomic>

#include "lib/base/error.h"
#include "lib/criu/lazy_pages.h"
#include "lib/ops/context.h"
#include "lib/proc/orphans.h"
#include "lib/runtime/runtime.h"

namespace stasis::ops {

/// Who gives `criu lazy-pages` what is not in the images that it reads; nobody by default.
struct PageServer {
    /// A stasis of its own (pages::serve_pages()). Should we die, it goes on until its socket is closed. Throws
    /// Kind::failed.
    static PageServer start(const Path& images, const criu::Version& criu);

    sys::UniqueFd socket;  ///< for who asks it; kept open by nobody else, or it would not notice that one's end
    std::optional<sys::Child> child;
};

/// The memory of one target that is restored lazily, from before its restore until all is in. Nothing of the target
/// outlives it without its memory: what is not finished is killed, first the target, then what its memory comes from.
class LazyLoad {
  public:
    /// Makes ready; the restore by `plan` may begin then. `lock_fd` is held until the memory is in, should we die
    /// before. Throws Kind::failed; nothing has happened then.
    LazyLoad(const criu::Binary& criu, const runtime::RestorePlan& plan, PageServer server, int lock_fd);
    ~LazyLoad();
    LazyLoad(const LazyLoad&) = delete;
    LazyLoad& operator=(const LazyLoad&) = delete;

    /// The target runs: waits until all its memory is in, even if interrupted, and says so then.
    /// Throws Kind::target_changed where it can't be brought; the target is dead by then.
    void finish(Context& context);

    /// The restore itself failed: names the cause where that was the end of what brings the memory.
    void explain(Error& error);

  private:
    std::uint64_t bytes_brought() const;
    /// What has become of the target, where it ended otherwise than done.
    void explain_end(Error& error, const sys::WaitStatus& ended) const;

    std::uint64_t total_;
    std::optional<sys::Child> server_;      ///< of ours, where there is one
    std::atomic<bool> lost_ = false;        ///< what brings the memory is at its end, and was not done
    std::optional<proc::Orphans> orphans_;  ///< made after pages_, which must not be taken for one; pages_ uses it
    criu::LazyPages pages_;
    bool finished_ = false;
};

}  // namespace stasis::ops
