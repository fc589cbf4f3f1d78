#pragma once

#include <sys/types.h>

#include <ctime>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
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

/// What is known of a live tree from before it was copied.
struct Before {
    timespec time{};                       ///< whatever changes an inode from here on has a later ctime
    std::map<std::string, ino_t> folders;  ///< inodes of all folders, by relative path

    /// Looks at a tree that may change meanwhile. File systems stamp with a clock that lags by up to a
    /// tick: the time is a second ago, which costs only that what changed in it is copied twice.
    static Before look(const Path& tree);
};

/// Of an entry what a copy must have like its original.
struct Attributes {
    mode_t mode = 0;
    uid_t owner = 0;
    gid_t group = 0;
    dev_t device = 0;  ///< of a device node
    off_t size = 0;    ///< 0 for a folder: that is an affair of its file system
    timespec changed{};

    bool operator==(const Attributes& other) const;
};

/// All that is in a copy, by relative path, its top as ".".
using Copied = std::unordered_map<std::string, Attributes>;
Copied look_at_copy(const Path& copy);

/// Compares a tree with its copy, entry by entry, by type, owner, mode, size and times.
/// An entry whose inode changed since `before` counts as different whatever its other attributes
/// say: ctime also moves with extended attributes, ACLs and links, and can't be set back. A folder
/// that is another one than before was renamed to here, and so is all that lies in it.
/// Files in `written` are compared by content with `records`, the checksums of the copy.
/// The copy was looked at before: while the original stands still, nothing else is looked at.
Changes compare(const Path& original, Copied copied, const Before& before, const std::set<std::string>& written,
                const FileRecords& records, sys::Interrupts& interrupts);

}  // namespace stasis::fs
