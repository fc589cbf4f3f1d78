#pragma once

#include "lib/criu/swrk.h"

namespace stasis::criu {

/// CRIU packs the files of a tmpfs with `tar --gzip` while the target stands still (4.2.1, criu/filesystems.c:
/// tmpfs_dump()). gzip takes some 27 s for a GiB that can't be made smaller (measured), and pigz 2 s when it stores it
/// as it is. Any gunzip reads that.

/// Is pigz there?
bool has_pigz();

/// Has CRIU's tar find pigz under gzip's name: by a link below /run, for who runs tar may be the root of a user
/// namespace, who sees no folder of ours. It stores bytes, or packs them on all cores where they shall be `smaller`.
/// Where there is no pigz it stays with gzip.
void use_pigz(Equipment& equipment, bool smaller);

}  // namespace stasis::criu
