#pragma once

#include <string>
#include <vector>

#include "lib/base/json.h"
#include "lib/sys/child.h"

namespace stasis::runtime {

/// `podman WORDS...`, to be run.
sys::Command podman(std::vector<std::string> words);

/// What `podman info` says of this host. Throws Kind::failed where it does not work.
Json podman_info();

}  // namespace stasis::runtime
