#pragma once

#include <array>
#include <string>
#include <vector>

#include "lib/base/json.h"
#include "lib/base/option.h"
#include "lib/proc/process.h"
#include "lib/sys/fd.h"

namespace stasis::runtime {

/// Standard input, output and error of a container's init, which its starter gave it from outside.
struct Stdio {
    /// The three link texts, as runc keeps them beside the images (`descriptors.json`).
    std::array<std::string, 3> targets;
    /// CRIU options that let files of the host pass a dump.
    OptionList options;
    /// For open_again(): what was there.
    Json details;
    /// A terminal of the container's own whose master someone outside holds.
    bool console = false;
};

/// Looks at what `init` has as descriptors 0 to 2.
Stdio look_at_stdio(pid_t init);

/// The same three descriptors for a restored init: host files are opened again (appending, so that
/// nothing written meanwhile is lost); pipes, whose other ends are gone, become /dev/null.
/// Throws Kind::damaged where a file that was read from is gone.
std::array<sys::UniqueFd, 3> open_again(const Json& details);

/// Lines of a CRIU configuration that hand the files over; the descriptors are 0 to 2 in CRIU too.
std::string inherit_configuration(const Json& details);

}  // namespace stasis::runtime
