#pragma once

#include <cstdint>

#include "lib/base/option.h"
#include "lib/inspect/scene.h"

namespace stasis::inspect {

/// Adds `enable-fs` for each kind of file system mounted in the container that CRIU does not know, but of which a
/// new mount is as good.
void choose_file_systems(const Scene& scene, OptionList& options);

/// What lies in file systems of the kind tmpfs that are the target's own: CRIU keeps it, each file system once.
std::uint64_t tmpfs_bytes(const Scene& scene);

}  // namespace stasis::inspect
