#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lib/sys/file.h"

struct archive;

namespace stasis::sys {

/// A tar archive, compressed with zstd, that is written in one go. Unless it is finished, the
/// destructor removes it.
class Archive {
  public:
    /// Creates `path` with mode 0600. Throws Kind::busy where it exists.
    explicit Archive(Path path);
    Archive(const Archive&) = delete;
    Archive& operator=(const Archive&) = delete;
    ~Archive();

    /// Adds a regular file for its owner alone; `name` is its path in the archive.
    void add(const std::string& name, std::string_view content);
    /// Writes the end and syncs.
    void finish();

  private:
    void require(int result) const;

    Path path_;
    UniqueFd fd_;
    std::unique_ptr<archive, int (*)(archive*)> archive_;
    bool finished_ = false;
};

/// The content of a file that may be compressed (gzip, xz, zstd).
std::string read_decompressed(const Path& path);

}  // namespace stasis::sys
