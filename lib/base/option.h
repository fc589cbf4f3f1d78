#pragma once

#include <string>
#include <vector>

namespace stasis {

/// One CRIU option that was chosen for a target, by the name that CRIU's command line has for it,
/// and why. Options that can stand more than once (external) appear once for each value.
struct Option {
    std::string key;
    std::string value;  ///< empty for a switch
    std::string reason;
};

using OptionList = std::vector<Option>;

}  // namespace stasis
