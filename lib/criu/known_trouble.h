#pragma once

#include <string>
#include <vector>

#include "lib/criu/version.h"

namespace stasis::criu {

/// What this CRIU is known not to do on this kernel ("6.12.3-amd64"), a sentence each. `with_sockets`: for a
/// target that has TCP, UDP or other network sockets.
std::vector<std::string> known_trouble(const Version& criu, const std::string& kernel, bool with_sockets);

}  // namespace stasis::criu
