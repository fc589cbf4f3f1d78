#pragma once

#include <string>

namespace stasis::ops {

/// This host, as a checkpoint records it and a restore compares it.
struct Host {
    std::string name;
    std::string kernel;
    std::string architecture;
    std::string boot_id;
};

Host this_host();

}  // namespace stasis::ops
