#pragma once

#include <string>

#include "cmd/command.h"
#include "lib/base/json.h"

namespace stasis {

// What commands print with --json, for a bug report, too.

/// `check`; an empty target is the host.
Json check_document(ops::Context& context, const std::string& target);
/// `list`; an empty target is the whole store.
Json list_document(ops::Context& context, const std::string& target);
/// `info` of the checkpoint `name`.
Json info_document(ops::Context& context, const std::string& target, const std::string& name);

}  // namespace stasis
