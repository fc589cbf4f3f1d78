#pragma once

#include "lib/runtime/runtime.h"
#include "lib/sys/archive.h"

namespace stasis::runtime {

// What `podman container checkpoint --export` writes and `podman container restore --import` reads (podman 4.3.1,
// libpod/container_internal_common.go).

/// The folder with CRIU's images.
constexpr const char* kPodmanImages = "checkpoint";

/// Adds the settings of a container, which lie in the runtime/ folder of its checkpoint; returns podman's own
/// configuration. Throws Kind::failed where that was not kept.
Json add_podman_settings(const Path& runtime_files, sys::Archive& archive);

/// As Adapter::write_archive().
void write_podman_archive(const ArchiveParts& parts, sys::Archive& archive, sys::Interrupts& interrupts);

}  // namespace stasis::runtime
