#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/ops/examine.h"

namespace stasis::ops {

/// One thing that was checked.
struct Finding {
    std::string what;
    bool ok = false;
    bool required = true;  ///< without it nothing works; else something is merely missing
    std::string detail;    ///< what was seen
    std::string remedy;    ///< when not ok
};

/// Can this host dump and restore? Tries it for real with a small process of its own.
std::vector<Finding> check_host(Context& context);

/// Can this target be dumped as it is? Looks only; freezes nothing.
struct TargetCheck {
    std::string target;
    Examination found;
    long long look_us = 0;  ///< how long the look took
};
TargetCheck check_target(Context& context, const std::string& target, const Wishes& wishes);

/// One of all that run, and why it could not be looked at.
struct OneOfAll {
    std::string target;
    std::optional<TargetCheck> check;
    std::optional<Error> error;

    bool ok() const { return check && check->found.seen.blockers.empty(); }
};
/// The same for all containers that run on this host.
std::vector<OneOfAll> check_all(Context& context, const Wishes& wishes);

}  // namespace stasis::ops
