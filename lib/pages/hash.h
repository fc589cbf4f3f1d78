#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace stasis::pages {

/// xxh3-128 of one page: equal hashes are taken for equal pages.
struct Hash {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    bool operator==(const Hash&) const = default;
};

/// The hash of each page of `memory`, whose size is a multiple of kPageSize; on all cores.
std::vector<Hash> hash_pages(std::span<const std::byte> memory);

}  // namespace stasis::pages
