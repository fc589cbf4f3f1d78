#pragma once

#include <functional>
#include <vector>

#include "lib/sys/file.h"

namespace stasis::fs {

/// The folders of an overlay; all but those of `below` must be empty, and those are on one file system.
struct OverlayFolders {
    std::vector<sys::Path> below;  ///< absolute paths, the uppermost first
    sys::Path upper;               ///< where what is changed comes to lie
    sys::Path work;
    sys::Path mount_point;
};

/// Calls `change` where an overlay is mounted: what was changed lies in its upper folder then. Only the thread in which
/// `change` runs sees the mount, and it goes with that thread. Throws what `change` throws, and system_error where
/// there can be no overlay, on a file system that is one itself for example.
void on_overlay(const OverlayFolders& folders, const std::function<void()>& change);

}  // namespace stasis::fs
