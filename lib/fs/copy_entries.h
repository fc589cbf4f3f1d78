#pragma once

#include <string>
#include <vector>

#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::fs {

using sys::Path;

/// Copies these paths (relative, folders before what is in them) from one tree to another by
/// libarchive, in this process: while a target stands still, starting rsync would take longer than
/// the copying. Keeps what rsync keeps; names of one inode in the list stay one inode. Folders get
/// their attributes without their contents. What lies at the destination must be gone already,
/// but for folders. Of either tree nothing outside is read or written, whatever a live container makes of its folders
/// and links meanwhile. Throws Kind::failed.
void copy_entries(const Path& from, const Path& to, const std::vector<std::string>& paths, sys::Interrupts& interrupts);

}  // namespace stasis::fs
