#pragma once

#include <string>

namespace stasis::ops {

/// The lines of the running kernel's configuration that decide what CRIU can do, from
/// /proc/config.gz or /boot/config-RELEASE. Throws where neither can be read.
std::string kernel_configuration();

/// The end of the kernel's log, at most 64 KiB. Throws where the caller may not read it.
std::string kernel_messages();

/// What /proc/cpuinfo says of the first processor: its model and flags.
std::string processor();

}  // namespace stasis::ops
