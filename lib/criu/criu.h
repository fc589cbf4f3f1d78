#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/criu/swrk.h"
#include "lib/criu/version.h"
#include "lib/sys/file.h"

namespace stasis::criu {

/// A CRIU that answered the VERSION request.
struct Binary {
    sys::Path path;
    Version version;
};

/// Where scripts/setup puts a CRIU of its own when the system's does not work.
inline constexpr const char* kPrivateBinary = "/opt/stasis/criu/sbin/criu";

/// The CRIU that is used: STASIS_CRIU, else the private one, else the first in PATH. Throws
/// Kind::precondition where there is none.
sys::Path binary_path();

/// The question which CRIU there is, asked while we do something else: binary_path() is started and
/// asked for its version.
class BinaryQuery {
  public:
    /// Throws Kind::precondition where there is none.
    static BinaryQuery start();
    /// Throws Kind::precondition where it does not answer or is too old.
    Binary finish(sys::Interrupts& interrupts);

  private:
    BinaryQuery(sys::Path path, Swrk criu) : path_(std::move(path)), criu_(std::move(criu)) {}
    sys::Path path_;
    Swrk criu_;
};

/// Asks and waits for the answer.
Binary find_binary(sys::Interrupts& interrupts);

/// The CHECK request: can this CRIU work on this kernel? Throws Kind::precondition with CRIU's
/// own words if not. `work` is a folder for its log.
void check(const Binary& criu, const sys::Path& work, sys::Interrupts& interrupts);

/// Can the kernel tell, and this CRIU ask, which pages were written to since a moment (soft-dirty bits)? By the
/// FEATURE_CHECK request. Throws Kind::failed.
bool tracks_memory(const Binary& criu, sys::Interrupts& interrupts);

/// A notification and the descriptor that came with it (`orphan-pts-master`).
struct Event {
    std::string script;
    pid_t pid = 0;
    sys::UniqueFd descriptor;
};

/// What to do at each notification. A throw is answered with a refusal: CRIU rolls back, and the
/// error reaches the caller once CRIU has said so. Names that the callee does not know are fine.
using OnEvent = std::function<void(Event&)>;

/// When the target stood still, by our clock: from the answer to `pre-dump`, which lets CRIU
/// freeze it, to CRIU's last word, which comes after it thawed. An upper bound.
struct DumpTimes {
    Clock::time_point freeze_begin;
    Clock::time_point freeze_end;
};

/// Runs a DUMP. `options` needs images_dir_fd, work_dir_fd, log_file and pid; notifications are
/// switched on here, because without them a client that dies still leaves the target killed.
/// A signal or the deadline before `post-dump` refuses the next notification, so that CRIU rolls
/// back; from the answer to `post-dump` on it is too late and both are ignored.
/// A lock among the descriptors of `equipment` is held until CRIU has rolled back, should we die before: the next run
/// waits for it.
/// `meanwhile` is called when the request is sent: CRIU takes tens of milliseconds to get ready. Should it throw,
/// CRIU is ended, which touches nothing before its first notification is answered.
/// Throws Kind::failed with the causal lines of the log when CRIU fails.
DumpTimes dump(const Binary& criu, rpc::Options options, const sys::Path& log, const OnEvent& on_event,
               sys::Interrupts& interrupts, const Equipment& equipment = {},
               const std::function<void()>& meanwhile = {});

/// Runs a RESTORE of a bare process tree; returns the pid of its root. After a signal or the deadline a CRIU
/// that says nothing for two seconds more is ended: it hangs, on a file lock for example.
pid_t restore(const Binary& criu, rpc::Options options, const sys::Path& log, const OnEvent& on_event,
              sys::Interrupts& interrupts);

/// What CRIU measured, from the `stats-dump` it leaves in its work folder when it succeeds.
struct DumpStats {
    long long freezing_us = 0;
    long long frozen_us = 0;
    long long pages_written = 0;
};
std::optional<DumpStats> read_dump_stats(const sys::Path& work);

}  // namespace stasis::criu
