#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/ops/context.h"
#include "lib/ops/find.h"
#include "lib/store/move_record.h"

namespace stasis::ops {

/// Everything in the store, or what there is of one target (empty: all).
std::vector<store::Entry> list(Context& context, const std::string& target);

/// A container that was moved, or was about to be.
struct Moved {
    std::string target;
    store::MoveRecord record;
};

/// The last move of each container in the store, or of one target (empty: all).
std::vector<Moved> moves(Context& context, const std::string& target);

/// A container that a runtime of this host knows.
struct Known {
    std::string target;
    std::optional<runtime::Status> status;  ///< nothing where the runtime can't say
};

/// All that the runtimes of this host list.
std::vector<Known> containers(Context& context);

/// One checkpoint, named as for restore.
Choice info(Context& context, const std::string& target, const std::optional<std::string>& name,
            const std::optional<Path>& directory);

/// One checked checkpoint and what is wrong with it (nothing: it is whole).
struct Verdict {
    std::string target;
    std::string checkpoint;
    std::vector<std::string> problems;
};

/// Verifies one checkpoint, or all of a target, or (empty target) the whole store.
std::vector<Verdict> verify(Context& context, const std::string& target, const std::optional<std::string>& name);

/// Deletes a checkpoint of a container that is locked; opens the network that a stop state has closed.
void remove_locked(const store::Location& location);

/// Deletes one checkpoint, sealed or damaged, and the remains of failures of that container.
void remove(Context& context, const std::string& target, const std::string& name);

}  // namespace stasis::ops
