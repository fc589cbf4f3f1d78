#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace stasis::pages {

/// A large stretch of memory, handed out in a ring: what was freed first is handed out first.
class Arena {
  public:
    /// Reserves addresses alone, whole pages of them: memory is taken when it is touched. Throws system_error.
    explicit Arena(std::size_t capacity);
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena();

    /// Takes memory now, on all cores, so that nobody waits for it later (MADV_POPULATE_WRITE, Linux 5.14; older
    /// kernels take it when it is touched). `offset` is a multiple of the page size.
    void prefault(std::size_t offset, std::size_t length);

    /// The next bytes, at most so many: fewer at its end, and before those that are still handed out; empty when all
    /// are.
    std::span<std::byte> take(std::size_t bytes);
    /// Takes back the last so many of the bytes that take() gave last.
    void give_back(std::size_t bytes) { used_ -= bytes; }
    /// Takes back so many of those that were handed out longest ago; their memory stays, for whom they are next.
    void free_oldest(std::size_t bytes);
    /// Where bytes lie that it handed out.
    std::size_t offset_of(std::span<const std::byte> bytes) const {
        return static_cast<std::size_t>(bytes.data() - start_);
    }
    /// How much memory it has taken at most.
    std::size_t peak() const { return peak_; }
    std::span<const std::byte> at(std::size_t offset, std::size_t length) const { return {start_ + offset, length}; }
    /// Gives back memory whose bytes are no longer needed.
    void release(std::size_t offset, std::size_t length);
    /// Gives back what was taken and is not handed out.
    void drop_rest();
    /// Hands out everything anew.
    void reset() { oldest_ = used_ = 0; }

  private:
    std::size_t next() const { return (oldest_ + used_) % capacity_; }

    std::byte* start_ = nullptr;
    std::size_t capacity_ = 0;
    std::size_t oldest_ = 0;  ///< of what is handed out
    std::size_t used_ = 0;
    std::size_t peak_ = 0;
};

}  // namespace stasis::pages
