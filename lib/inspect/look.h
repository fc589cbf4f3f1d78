#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "lib/base/option.h"
#include "lib/proc/process.h"

namespace stasis::inspect {

/// Why a tree can't be dumped as it is, and what would change that.
struct Blocker {
    std::string cause;
    std::string remedy;
};

/// What was seen in a live tree without stopping it.
struct Look {
    std::vector<proc::Stat> tasks;
    /// Processes that share the tree's pid namespace but do not descend from its root: they were
    /// started into the container from outside (`runc exec`), and CRIU does not see them.
    std::vector<proc::Stat> strangers;
    std::vector<Blocker> blockers;
    /// CRIU options that this tree needs.
    OptionList options;
    /// Files open for writing or mapped shared and writable, as paths from the container's root
    /// without the leading "/".
    std::set<std::string> written;
    /// Anonymous and shared memory in use, in bytes: about what the images will take.
    std::uint64_t memory_bytes = 0;
};

/// What the look can't see for itself.
struct LookOptions {
    bool has_nftables = false;  ///< `nft` is there: the lock can be made, and removed after a failure
    bool network_outlives_target = false;  ///< so would a lock: none is made where there is nothing to lock
};

/// Looks at the tree below `root`.
Look look(const proc::Identity& root, const LookOptions& options);

/// Look::written alone, for a tree that stands still: files may have been opened since the look.
std::set<std::string> written_files(const proc::Identity& root);

}  // namespace stasis::inspect
