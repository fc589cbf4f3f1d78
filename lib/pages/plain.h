#pragma once

#include <cstdint>

#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::pages {

/// Is any of the images compressed? CRIU reads plain ones only (4.2.1).
bool has_compressed(const sys::Path& images);

/// Bytes that the images take when all are plain. Throws Kind::damaged.
std::uint64_t plain_bytes(const sys::Path& images);

/// Fills the new folder `to` with images that CRIU reads: decompressed ones, and the others as hard links, or as copies
/// on another file system. Throws Kind::damaged, Kind::interrupted, or system_error.
void make_plain(const sys::Path& images, const sys::Path& to, sys::Interrupts& interrupts);

}  // namespace stasis::pages
