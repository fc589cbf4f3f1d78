#include "lib/pages/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "lib/base/error.h"
#include "lib/pages/protocol.h"
#include "lib/sys/parallel.h"

namespace stasis::pages {
namespace {

constexpr std::size_t kHugePage = 2 << 20;

}  // namespace

Arena::Arena(std::size_t capacity) : capacity_((capacity + kPageSize - 1) / kPageSize * kPageSize) {
    void* start =
        ::mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) throw system_error(errno, "reserve memory for pages");
    start_ = static_cast<std::byte*>(start);
    (void)::madvise(start_, capacity_, MADV_HUGEPAGE);
}

Arena::~Arena() { (void)::munmap(start_, capacity_); }

void Arena::prefault(std::size_t offset, std::size_t length) {
    if (offset >= capacity_) return;
    const std::size_t end = std::min(offset + length, capacity_);
    std::atomic<bool> taken = true;
    sys::in_parallel((end - offset + kHugePage - 1) / kHugePage, [&](std::size_t first, std::size_t last) {
        const std::size_t begin = offset + first * kHugePage;
        if (::madvise(start_ + begin, std::min(offset + last * kHugePage, end) - begin, MADV_POPULATE_WRITE) < 0)
            taken = false;
    });
    if (taken) peak_ = std::max(peak_, end);
}

std::span<std::byte> Arena::take(std::size_t bytes) {
    const std::size_t offset = next();
    const std::size_t given = std::min({bytes, capacity_ - used_, capacity_ - offset});
    used_ += given;
    peak_ = std::max(peak_, offset + given);
    return {start_ + offset, given};
}

void Arena::free_oldest(std::size_t bytes) {
    oldest_ = (oldest_ + bytes) % capacity_;
    used_ -= bytes;
}

void Arena::drop_rest() {
    const std::size_t rest = capacity_ - used_;
    const std::size_t before_end = std::min(rest, capacity_ - next());
    release(next(), before_end);
    release(0, rest - before_end);
}

void Arena::release(std::size_t offset, std::size_t length) {
    const std::size_t first = (offset + kPageSize - 1) / kPageSize * kPageSize;
    const std::size_t last = (offset + length) / kPageSize * kPageSize;
    if (first < last) (void)::madvise(start_ + first, last - first, MADV_DONTNEED);
}

}  // namespace stasis::pages
