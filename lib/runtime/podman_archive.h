#pragma once

#include "lib/runtime/runtime.h"
#include "lib/sys/archive.h"

namespace stasis::runtime {

// What `podman container checkpoint --export` writes and `podman container restore --import` reads (podman 4.3.1,
// libpod/container_internal_common.go).

/// The folder with CRIU's images.
constexpr const char* kPodmanImages = "checkpoint";
/// What the runtime was given to make the container.
constexpr const char* kPodmanSpec = "spec.dump";
/// The addresses it had; podman reads it before a restore.
constexpr const char* kPodmanNetwork = "network.status";
/// A tar archive of the files that were added or changed, and a list of those that were removed.
constexpr const char* kPodmanAdded = "rootfs-diff.tar";
constexpr const char* kPodmanRemoved = "deleted.files";
/// A tar archive of its /dev/shm.
constexpr const char* kPodmanSharedMemory = "devshm-checkpoint.tar";

/// Where the tar archive of a volume lies.
Path volume_in_archive(const std::string& name);

/// Adds the settings of a container, which lie in the runtime/ folder of its checkpoint; returns podman's own
/// configuration. Throws Kind::failed where that was not kept.
Json add_podman_settings(const Path& runtime_files, sys::Archive& archive);

/// As Adapter::write_archive().
void write_podman_archive(const ArchiveParts& parts, sys::Archive& archive, sys::Interrupts& interrupts);

}  // namespace stasis::runtime
