#pragma once

#include <nlohmann/json.hpp>

namespace stasis {

/// JSON whose keys stay in the order in which they were set, as people read them.
using Json = nlohmann::ordered_json;

}  // namespace stasis
