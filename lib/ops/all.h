#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/ops/examine.h"
#include "lib/sys/child.h"

namespace stasis::ops {

/// What is to be done with many targets. Each is left to a run of stasis of its own: what a run changes of its
/// process (signals, orphans that it takes on, CRIU's sockets) is then nobody else's, and its end no one else's.
struct AllRequest {
    std::vector<std::string> targets;   ///< these, in this order; empty: all that there are
    std::string runtime;                ///< of all, only those of this runtime; empty: of any
    std::vector<std::string> excluded;  ///< of all, without these
    std::vector<std::string> only;      ///< of all, these alone; empty: all of them
    std::optional<Path> order_file;
    std::size_t jobs = 0;  ///< so many at once; 0: by processors and memory
    bool keep_going = false;

    std::vector<std::string> command;                      ///< what runs stasis for one target: the target is appended
    std::function<Error(const sys::RunResult&)> error_of;  ///< what such a run says when it fails
    /// The option that says how much memory such a run may take, to share it among those that run at once; empty
    /// where it takes none that counts, or was told.
    std::string memory_option;

    // Of a stop: what the look before it must know.
    Wishes wishes;
    bool ignore_blockers = false;
};

enum class Outcome {
    done,
    skipped,   ///< there was nothing to do
    failed,    ///< or refused; the error says which
    untouched  ///< its turn did not come
};

struct TargetResult {
    std::string target;
    Outcome outcome = Outcome::untouched;
    Json document;               ///< what its run printed, where it is done
    std::string reason;          ///< why it was skipped or not touched
    std::optional<Error> error;  ///< where it failed
};

/// Stops running containers with their state, all or those that are named, in the order of `Order`. All are looked
/// at first; where one of them can't be stopped, none is touched, unless `keep_going`. Where one fails later, no
/// other is begun, unless `keep_going`. After a signal or the deadline those under way roll back or finish.
std::vector<TargetResult> stop_all(Context& context, const AllRequest& request);

/// Brings back what stop_all() has stopped with all others and what has not run since, last stopped first. Throws
/// Kind::precondition, with nothing touched, where a process of our own can't be dumped and restored. One failure
/// does not hold back the others.
std::vector<TargetResult> restore_all(Context& context, const AllRequest& request);

}  // namespace stasis::ops
