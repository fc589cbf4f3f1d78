#pragma once

#include <string>
#include <vector>

#include "lib/ops/context.h"

namespace stasis::ops {

/// How many checkpoints are to be kept, by each rule; 0: the rule does not count. One that any rule keeps is kept.
/// The newest of each hour, day, week (from Monday) and month (all in UTC) counts, and periods without one do not:
/// as restic's rules.
struct KeepRules {
    unsigned last = 0;
    unsigned hourly = 0;
    unsigned daily = 0;
    unsigned weekly = 0;
    unsigned monthly = 0;

    bool any() const { return last + hourly + daily + weekly + monthly > 0; }
};

/// A checkpoint, and why it is kept: nothing says that it goes.
struct Kept {
    std::string checkpoint;
    std::string kind;
    std::string created;  ///< UTC, as in the manifest
    std::vector<std::string> reasons;
};

/// What the rules keep of these sealed checkpoints of one target, oldest first: `last`, `hourly` and so on. The newest
/// stop state is always kept: it may be all that there is of its target.
std::vector<Kept> select(const std::vector<store::Entry>& entries, const KeepRules& rules);

struct PruneReport {
    std::string target;
    std::vector<Kept> checkpoints;
};

/// Deletes what the rules don't keep; with `dry_run` only says so. Nothing but sealed checkpoints is looked at. Throws
/// Kind::not_found for a target of which the store has nothing.
PruneReport prune(Context& context, const std::string& target, const KeepRules& rules, bool dry_run);

}  // namespace stasis::ops
