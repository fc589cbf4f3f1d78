#pragma once

#include <string>
#include <vector>

namespace stasis::ops {

/// This host, as a checkpoint records it and a restore compares it.
struct Host {
    std::string name;
    std::string kernel;
    std::string architecture;
    std::string boot_id;
    std::vector<std::string> cpu_features;
};

Host this_host();

}  // namespace stasis::ops
