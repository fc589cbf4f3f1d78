#pragma once

#include "lib/base/option.h"
#include "lib/inspect/scene.h"

namespace stasis::inspect {

/// CRIU opens a watched inode by its handle. Overlay and NFS have handles that can't be opened: there it must look
/// for the inode by name. Its own list has a few folders only (4.2.1, criu/irmap.c), so this adds `irmap-scan-path`
/// for each watched inode that is found. Looking through very large trees ends early.
void choose_watches(const Scene& scene, OptionList& options);

}  // namespace stasis::inspect
