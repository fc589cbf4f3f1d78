#pragma once

#include "lib/base/expectations.h"
#include "lib/base/json.h"

namespace stasis::store {

/// The manifest's key "expected" (stasis-store(5)).
Json expectations_to_json(const Expectations& expected);

/// Reads what expectations_to_json wrote; throws nlohmann's exceptions for anything else.
Expectations expectations_from_json(const Json& json);

}  // namespace stasis::store
