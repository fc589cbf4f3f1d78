#pragma once

#include <string>

namespace stasis::store {

/// File names are bytes, JSON is UTF-8: everything but plain ASCII becomes %XX.
std::string encode_path(const std::string& path);

/// Reads what encode_path wrote.
std::string decode_path(const std::string& text);

}  // namespace stasis::store
