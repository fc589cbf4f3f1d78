#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cmd/command.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/progress.h"

namespace stasis {

/// Steps on a terminal, warnings always, details with -v.
std::unique_ptr<Progress> make_progress(const Globals& globals);

/// One document on standard output.
void print_json(const Json& json);
void print_text(const std::string& text);

/// Columns padded to their widest cell.
void print_table(const std::vector<std::vector<std::string>>& rows);

/// A failure as one object.
Json to_json(const Error& error);

/// A failure on standard error, once: what, details, cause, remedy, log. With --json its last line is
/// {"type":"error",…}.
void print_error(const Error& error, bool json);

/// 1234567 as "1.2 MiB".
std::string human_bytes(unsigned long long bytes);
/// 1234567 µs as "1.235 s", 12345 as "12.3 ms".
std::string human_time(long long microseconds);
/// Microseconds in the two largest units that matter: "12 s", "4 min 3 s", "2 h 5 min", "3 d 4 h".
std::string human_span(long long microseconds);

}  // namespace stasis
