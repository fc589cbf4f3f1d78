#pragma once

#include <string>
#include <vector>

#include "lib/ops/context.h"

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
std::vector<Finding> check_target(Context& context, const std::string& target);

}  // namespace stasis::ops
