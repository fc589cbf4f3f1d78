#pragma once

#include <string>
#include <string_view>

#include "lib/base/json.h"

namespace stasis {

/// What stands where a secret stood.
inline constexpr std::string_view kRedacted = "<redacted>";

/// Does a key, an option or a variable of this name hold a secret: a password, a token, a key?
bool names_secret(std::string_view name);

/// Text without the secrets that its words announce: `--password x`, `TOKEN=x`, `Authorization: x`,
/// `"secret": "x"`, `https://user:x@host`. In doubt it takes away too much; a secret that nothing
/// announces (`mysql -px`) it can't know.
std::string redact_text(std::string_view text);

/// A document without secrets: values of keys that name one, of environment variables (an array or
/// object `env`, arguments after `--env` or `-e`), of `{"name": …, "value": …}`, of the argument after an option that
/// names one. Every other string is redacted as the document that it holds, or as text.
Json redact_json(const Json& document);

}  // namespace stasis
