#pragma once

#include <ctime>
#include <set>
#include <string>
#include <vector>

#include "lib/base/file_record.h"
#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::fs {

using sys::Path;

/// What must be done to a copy to make it equal to its original again; paths are relative.
struct Changes {
    std::vector<std::string> copy;    ///< new or different in the original, parents before children
    std::vector<std::string> remove;  ///< no longer in the original, parents before children
};

/// Compares a tree with its copy, entry by entry, by type, owner, mode, size and times.
/// An entry whose inode changed at or after `since` counts as different whatever its other
/// attributes say: ctime also moves with extended attributes, ACLs and links, and can't be set back.
/// Files in `written` are compared by content with `records`, the checksums of the copy.
Changes compare(const Path& original, const Path& copy, timespec since, const std::set<std::string>& written,
                const FileRecords& records, sys::Interrupts& interrupts);

}  // namespace stasis::fs
