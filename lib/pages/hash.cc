#include "lib/pages/hash.h"

#include <xxhash.h>

#include "lib/pages/parallel.h"
#include "lib/pages/protocol.h"

namespace stasis::pages {

std::vector<Hash> hash_pages(std::span<const std::byte> memory) {
    std::vector<Hash> hashes(memory.size() / kPageSize);
    in_parallel(hashes.size(), [&](std::size_t first, std::size_t last) {
        for (std::size_t page = first; page < last; ++page) {
            const XXH128_hash_t hash = XXH3_128bits(memory.data() + page * kPageSize, kPageSize);
            hashes[page] = {hash.low64, hash.high64};
        }
    });
    return hashes;
}

}  // namespace stasis::pages
