#pragma once

#include <fcntl.h>

#include <cstddef>

namespace stasis::sys {

/// Has the disk begin with a file while it is still being written, so that the sync at its end is short.
class EarlyWriteback {
  public:
    /// So many more bytes were written to it.
    void wrote(int fd, std::size_t bytes) {
        constexpr std::size_t kWorthIt = 64 << 20;
        not_on_its_way_ += bytes;
        if (not_on_its_way_ < kWorthIt) return;
        // A hint: where it fails, the sync takes longer.
        (void)::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        not_on_its_way_ = 0;
    }

  private:
    std::size_t not_on_its_way_ = 0;
};

}  // namespace stasis::sys
