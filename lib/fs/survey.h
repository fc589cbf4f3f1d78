#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "lib/sys/file.h"

namespace stasis::fs {

using sys::Path;

/// What a look at all inodes of a tree finds, without crossing into another file system.
struct Survey {
    std::uint64_t bytes = 0;           ///< on the disk
    std::vector<std::string> changed;  ///< files whose inode changed, relative to the tree
};

/// Looks at a tree that may change meanwhile: what vanishes is left out. `since`: ctime, which can't be set back, tells
/// of every change to an inode but for those through a shared mapping whose page was dirty already.
Survey survey(const Path& tree, const timespec& since);

}  // namespace stasis::fs
