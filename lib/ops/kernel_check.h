#pragma once

#include <string>
#include <vector>

#include "lib/ops/context.h"

namespace stasis::ops {

/// Will what runs now come back under another kernel?
struct KernelCheck {
    struct Problem {
        std::string what;
        std::string remedy;
        std::vector<std::string> targets;  ///< whose problem it is; empty: of all that will ever run
    };
    std::string kernel;                ///< its release
    std::string config;                ///< where its configuration was found; empty where it was not
    std::string criu;                  ///< the version of the CRIU that is installed
    std::vector<std::string> targets;  ///< that were looked at
    std::vector<Problem> problems;
    std::vector<std::string> warnings;
};

/// Compares a kernel (as for read_kernel_config()) with what is known of this CRIU on it, and with what a target, or
/// all that run where `target` is empty, use of the kernel. Looks only. Throws Kind::usage where there is no such
/// kernel, Kind::precondition without a CRIU, Kind::not_found and Kind::failed for a target that does not run.
KernelCheck check_for_kernel(Context& context, const std::string& kernel, const std::string& target);

}  // namespace stasis::ops
