#pragma once

#include <string>
#include <vector>

namespace stasis::criu {

/// CRIU packs the files of a tmpfs with `tar --gzip` while the target stands still (4.2.1, criu/filesystems.c:
/// tmpfs_dump()). gzip takes some 27 s for a GiB that can't be made smaller (measured), and pigz 2 s when it stores it
/// as it is. Any gunzip reads that.

/// Is pigz there?
bool has_pigz();

/// What to add to CRIU's environment ("NAME=value") for its tar to find pigz under gzip's name: by a link below /run,
/// for who runs tar may be the root of a user namespace, who sees no folder of ours. It stores bytes, or packs them on
/// all cores where they shall be `smaller`. Nothing where there is no pigz: then it is gzip.
std::vector<std::string> environment_with_pigz(bool smaller);

}  // namespace stasis::criu
