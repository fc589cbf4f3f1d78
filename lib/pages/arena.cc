#include "lib/pages/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "lib/base/error.h"
#include "lib/pages/protocol.h"

namespace stasis::pages {

Arena::Arena(std::size_t capacity) : capacity_(capacity) {
    void* start = ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) throw system_error(errno, "reserve memory for pages");
    start_ = static_cast<std::byte*>(start);
    (void)::madvise(start_, capacity_, MADV_HUGEPAGE);
}

Arena::~Arena() { (void)::munmap(start_, capacity_); }

void Arena::prefault(std::size_t offset, std::size_t length) {
    if (offset >= capacity_) return;
    length = std::min(length, capacity_ - offset);
    if (::madvise(start_ + offset, length, MADV_POPULATE_WRITE) == 0) peak_ = std::max(peak_, offset + length);
}

std::span<std::byte> Arena::take(std::size_t bytes) {
    const std::size_t given = std::min(bytes, capacity_ - used_);
    used_ += given;
    peak_ = std::max(peak_, used_);
    return {start_ + used_ - given, given};
}

void Arena::drop_rest() {
    const std::size_t first = (used_ + kPageSize - 1) / kPageSize * kPageSize;
    if (first < capacity_) (void)::madvise(start_ + first, capacity_ - first, MADV_DONTNEED);
}

}  // namespace stasis::pages
