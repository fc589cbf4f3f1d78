#pragma once

#include "lib/sys/file.h"

namespace stasis::proc {

/// Is all in this cgroup, of a v1 freezer or of v2, frozen? Not where it has gone.
bool is_frozen(const sys::Path& freezer);

/// Freezes or thaws it, without waiting until that is done. One that goes away with its container has nothing to freeze
/// or thaw.
void set_frozen(const sys::Path& freezer, bool frozen);

}  // namespace stasis::proc
