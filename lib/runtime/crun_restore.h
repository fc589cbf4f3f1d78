#pragma once

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

// What a restore by crun needs that one by runc does not (crun 1.21), for crun's own containers and those of podman.

/// Why this crun can't restore any container, or "".
std::string crun_obstacle(const std::string& program);

/// Under which key its restore takes a mount from outside.
std::string crun_mount_key(const proc::Mount& mount);

/// Adds to the details what the functions below need. `state` is the folder that crun has for the container. Throws
/// Kind::failed for what crun could not restore.
void complete_for_crun(Description& description, const Path& state);

/// Lines for CRIU's configuration at a restore.
std::string crun_configuration(const Json& details);

/// Removes what a restore that failed or was killed has left outside of crun's own folder. Only called while the
/// container does not run.
void clear_crun_remains(const Json& details);

}  // namespace stasis::runtime
