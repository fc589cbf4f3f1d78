#pragma once

#include <set>
#include <string>
#include <vector>

#include "lib/ops/examine.h"
#include "lib/ops/kernel_config.h"

namespace stasis::ops {

/// What of a kernel a live target uses, by the names of the table in kernel_needs.cc: "socket TCP", "namespace user",
/// "mount overlay", "file eventpoll" …
std::set<std::string> kernel_features(const Examination& found);

/// An option of the kernel's configuration that it lacks.
struct LackingOption {
    std::string option;   ///< "CONFIG_TUN"
    std::string purpose;  ///< what needs it
};

/// What of these features the kernel lacks. Nothing where its configuration is not known.
std::vector<LackingOption> lacking_options(const std::set<std::string>& features, const KernelConfig& kernel);

/// Does a task of the target run with the GNU C library?
bool has_glibc(const Examination& found);

}  // namespace stasis::ops
