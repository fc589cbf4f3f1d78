#pragma once

#include "lib/proc/process.h"

namespace stasis::proc {

/// The mount of our own on which a path lies, or will lie; its links are followed. Among `mounts`, which are ours.
const Mount& mount_of(const sys::Path& path, const std::vector<Mount>& mounts);

/// The mount below one that binds a folder onto itself, whose files are there without it as well: podman does so with
/// its storage. Null for any other.
const Mount* repeated_by(const Mount& mount, const std::vector<Mount>& mounts);

}  // namespace stasis::proc
