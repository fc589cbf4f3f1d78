#pragma once

#include "lib/sys/child.h"

namespace stasis::sys {

/// Starts a command that finds no way through the symbolic links of a tree: who lives in it can make a link of a
/// folder at any time, and would have it read, or write, elsewhere. Reading and making links is as ever. It runs in a
/// mount namespace of its own, in which the tree is mounted once more, with nosymfollow; so no hard link leads from it
/// to what lies outside. Unmounts of the host's are followed there. On a kernel before 5.14, which can't do that, and
/// by a caller who is not root, it is started all the same. Throws as Running::start(), or system_error.
Running start_unlinked(Command command, const Path& tree);

}  // namespace stasis::sys
