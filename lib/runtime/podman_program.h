#pragma once

#include <string>
#include <vector>

#include "lib/sys/child.h"

namespace stasis::runtime {

/// `podman WORDS...`, to be run.
sys::Command podman(std::vector<std::string> words);

}  // namespace stasis::runtime
