#pragma once

#include "lib/ops/context.h"
#include "lib/ops/find.h"
#include "lib/sys/archive.h"

namespace stasis::ops {

/// Writes a checkpoint of a container of podman as `podman container checkpoint --export` does, for
/// `podman container restore --import` (podman 4.3.1, libpod/container_internal_common.go): podman's settings, the
/// images, /dev/shm, what differs from the image, and volumes that the checkpoint holds. It is verified first, with the
/// container locked. The archive is not finished yet when this returns.
/// Throws Kind::damaged, Kind::busy, Kind::interrupted, or Kind::failed where podman's archives have no place for
/// something, or its settings were not kept.
void export_for_podman(Context& context, const Choice& choice, sys::Archive& archive);

}  // namespace stasis::ops
