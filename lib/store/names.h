#pragma once

#include <string>

namespace stasis::store {

/// Names come from users and from runtimes: data, never joined into a path unchecked. A valid
/// name is one path component of letters, digits and ". _ - + : @", does not begin with a dot or
/// a dash, and is at most 200 bytes long. Throws Kind::usage otherwise, naming what was wrong.
void check_container_name(const std::string& name);

/// As above; also refuses what the store keeps for itself: "lock", "*.partial", "failed-*".
void check_checkpoint_name(const std::string& name);

}  // namespace stasis::store
