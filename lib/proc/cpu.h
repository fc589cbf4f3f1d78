#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stasis::proc {

/// What /proc/cpuinfo says of features that a program may have found and use. Of x86's flags only
/// those that stand for instructions or for state that they save: the others describe the kernel or
/// its mitigations, and change with the kernel on the same processor. Sorted.
std::vector<std::string> cpu_features(std::string_view cpuinfo);

/// Those of this host.
std::vector<std::string> cpu_features();

}  // namespace stasis::proc
