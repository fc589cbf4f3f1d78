#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/base/evidence.h"
#include "lib/ops/context.h"

namespace stasis::ops {

/// What a bug report is about, beside the host.
struct Subject {
    std::optional<Target> target;
    std::optional<std::string> checkpoint;
    std::string problem;  ///< why there is no target although one was asked for
};

/// Finds a target (empty: none) and its checkpoint (default: the newest). That there is none is no
/// failure: reports are wanted where something is broken.
Subject find_subject(const Context& context, const std::string& target, const std::optional<std::string>& checkpoint);

/// The table of all that there is to tell of the host, the subject, and what failed: no memory, no
/// file of a container. What must be looked for and can't be found is a row that throws why.
std::vector<Evidence> evidence(const Context& context, const Subject& subject);

/// What was read under a name, or why it could not be.
struct Item {
    std::string name;
    std::string content;
    std::string problem;
};

/// Reads the rows, and takes secrets out of what they say if `redact`. Throws what `interrupts` does.
std::vector<Item> collect(const std::vector<Evidence>& rows, bool redact, sys::Interrupts& interrupts);

}  // namespace stasis::ops
