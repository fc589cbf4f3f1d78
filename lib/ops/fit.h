#pragma once

#include "lib/ops/context.h"
#include "lib/ops/misfit.h"

namespace stasis::ops {

/// What a restore of this target will need around it, to be kept in the manifest: recorded while the
/// target stands still. `keep_rootfs` and `with_volumes` say what the checkpoint itself holds.
Expectations record_expectations(const Target& target, const runtime::Description& described, bool keep_rootfs,
                                 bool with_volumes);

/// Where something must be mounted for its root file system and its mounts to be what they were, but for "/".
std::vector<std::string> mount_points_below(const store::Manifest& manifest);

/// Every way in which this host and the target's surroundings do not fit a checkpoint, found without
/// touching anything. A target that runs counts as gone: it is killed before the restore.
Fit fit(const Target& target, const store::Manifest& manifest, const runtime::RestorePlan& plan,
        const criu::Version& criu);

}  // namespace stasis::ops
