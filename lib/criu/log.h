#pragma once

#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/criu/causes.h"
#include "lib/sys/file.h"

namespace stasis::criu {

/// Is it an error that logs of runs that succeed hold as well?
bool is_harmless(const std::string& line);

/// What a log of CRIU says of a failure.
struct Diagnosis {
    const Cause* cause = nullptr;    ///< null where no line tells of a known one
    std::vector<std::string> lines;  ///< those that tell of the cause, else the errors; oldest first
};

/// Reads the text of a log. At most `most` lines are quoted: the first that tell of the cause, or
/// the latest errors; none where it names no error.
Diagnosis diagnose(const std::string& log, std::size_t most = 6);

/// Puts into a failure of CRIU what its log says: the lines as details, the cause, its remedy as
/// hint, and whether it is transient. Says so where the cause is not a known one, and keeps a hint
/// that is there. Does nothing without a log: CRIU had not begun. Returns whether the cause is known.
bool explain(Error& error, const sys::Path& log);

}  // namespace stasis::criu
