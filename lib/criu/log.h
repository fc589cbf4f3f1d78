#pragma once

#include <string>
#include <vector>

#include "lib/sys/file.h"

namespace stasis::criu {

/// Is it an error that logs of runs that succeed hold as well?
bool is_harmless(const std::string& line);

/// The lines of a CRIU log that tell why it failed, oldest first, at most `most` (the latest).
/// Lines that every log here holds without being the cause are left out. Empty where the log is
/// missing or names no error.
std::vector<std::string> causal_lines(const sys::Path& log, std::size_t most = 6);

}  // namespace stasis::criu
