#pragma once

#include <cstdint>
#include <vector>

#include "lib/pages/protocol.h"
#include "lib/sys/file.h"

namespace stasis::pages {

/// Pages that follow each other in a task or a shared memory.
struct Entry {
    std::uint64_t address = 0;
    std::uint64_t pages = 0;
    std::uint32_t flags = 0;  ///< kPresent: they are in the `pages-N.img`; kInParent: in an earlier one

    std::uint64_t end() const { return address + pages * kPageSize; }
    bool is_followed_by(const Entry& next) const { return end() == next.address && flags == next.flags; }
};

/// A `pagemap-*.img` of CRIU: what its `pages-N.img` holds, in this order (4.2.1, images/pagemap.proto).
struct Pagemap {
    std::uint32_t pages_id = 0;  ///< N
    std::vector<Entry> entries;
};

/// Creates the image with counts of 32 or 64 bits (Layout::wide_counts).
void write_pagemap(const sys::Path& file, const Pagemap& pagemap, bool wide_counts);

/// Reads the image, whichever counts it has. Throws Kind::damaged for what is none.
Pagemap read_pagemap(const sys::Path& file);

}  // namespace stasis::pages
