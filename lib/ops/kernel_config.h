#pragma once

#include <set>
#include <string>

#include "lib/sys/file.h"

namespace stasis::ops {

/// A kernel that may not be installed yet.
struct KernelConfig {
    std::string release;            ///< "6.12.3-amd64"
    std::string source;             ///< where its configuration was found; empty where that is not known
    std::set<std::string> enabled;  ///< options that are built in or a module, without "CONFIG_"

    bool known() const { return !source.empty(); }
    bool has(const std::string& option) const { return enabled.contains(option); }
};

/// Reads what an admin calls a kernel: a version or an installed package ("linux-image-VERSION"), whose configuration
/// is then looked for in /boot and /lib/modules; a package as a file (.deb, .rpm); a configuration as a file, also
/// compressed. Throws Kind::usage for anything else.
KernelConfig read_kernel_config(const std::string& kernel);

/// The same of a configuration's text; `release` is empty where its heading tells.
KernelConfig parse_kernel_config(const std::string& text, const std::string& release, const std::string& source);

}  // namespace stasis::ops
