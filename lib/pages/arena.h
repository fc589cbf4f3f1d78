#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace stasis::pages {

/// A large stretch of memory, handed out from its beginning to its end.
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

    /// The next bytes, at most so many; empty when all is handed out.
    std::span<std::byte> take(std::size_t bytes);
    /// Takes back the last so many of them.
    void give_back(std::size_t bytes) { used_ -= bytes; }
    std::size_t used() const { return used_; }
    /// How much memory it has taken at most.
    std::size_t peak() const { return peak_; }
    std::span<const std::byte> at(std::size_t offset, std::size_t length) const { return {start_ + offset, length}; }
    /// Gives back memory whose bytes are no longer needed.
    void release(std::size_t offset, std::size_t length);
    /// Gives back what was taken and is not handed out.
    void drop_rest() { release(used_, capacity_ - used_); }
    /// Hands out everything anew.
    void reset() { used_ = 0; }

  private:
    std::byte* start_ = nullptr;
    std::size_t capacity_ = 0;
    std::size_t used_ = 0;
    std::size_t peak_ = 0;
};

}  // namespace stasis::pages
