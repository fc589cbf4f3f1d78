#pragma once

#include <string>
#include <vector>

#include "lib/sys/file.h"

namespace stasis::runtime {

/// The command line that runs `command` where the file `source` is mounted over the file `target`, in a mount namespace
/// that only it sees (`stasis run-with-mount`).
std::vector<std::string> with_mount(const sys::Path& source, const sys::Path& target, std::vector<std::string> command);

/// `stasis run-with-mount`: mounts `source` over `target` in a mount namespace of our own and becomes `command`.
/// Returns only by throwing system_error.
[[noreturn]] void run_with_mount(const sys::Path& source, const sys::Path& target, std::vector<std::string> command);

}  // namespace stasis::runtime
