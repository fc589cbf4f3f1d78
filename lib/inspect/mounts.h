#pragma once

#include "lib/base/option.h"
#include "lib/inspect/scene.h"

namespace stasis::inspect {

/// Adds `enable-fs` for each kind of file system mounted in the container that CRIU does not know, but of which a
/// new mount is as good.
void choose_file_systems(const Scene& scene, OptionList& options);

}  // namespace stasis::inspect
