#pragma once

#include "lib/proc/process.h"

namespace stasis::proc {

/// The mount of our own on which a path lies, or will lie; its links are followed. Among `mounts`, which are ours.
const Mount& mount_of(const sys::Path& path, const std::vector<Mount>& mounts);

}  // namespace stasis::proc
