#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/pages/codec.h"
#include "lib/pages/protocol.h"
#include "lib/sys/checksum.h"
#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"
#include "lib/sys/writeback.h"

namespace stasis::pages {

/// Of a page of memory: equal hashes are taken for equal pages.
using Hash = sys::PageHash;
static_assert(sys::kHashedPage == kPageSize);

/// One frame of a compressed image.
struct Frame {
    std::uint32_t compressed = 0;  ///< bytes in the file
    std::uint32_t plain = 0;       ///< bytes of memory
};

/// Whether what is written stays in the kernel's page cache as well, for whoever reads it soon.
enum class PageCache { used, bypassed };

/// A `pages-N.img` in the making. Compressed ones consist of frames that can be decompressed by themselves, each of a
/// MiB of memory, and a table of their sizes in the zstd project's seekable format (a skippable frame, which lz4 skips
/// as well): `zstd -d` and `lz4 -d` read them.
class PagesFile {
  public:
    /// Creates nothing yet; `path` is without the codec's suffix.
    PagesFile(sys::Path path, Compression compression, PageCache cache);

    /// What is added from here on goes past the page cache; compressed pages do not.
    void bypass_cache();
    /// Adds pages at the end, with their hashes where these are known; open() before. Past the page cache goes only
    /// `memory` that begins at a page of ours and consists of whole ones (open(2), O_DIRECT).
    void append(std::span<const std::byte> memory, std::span<const Hash> known = {});
    /// Opens it, and closes it again: there may be more of them than descriptors.
    void open();
    void close();
    /// The last thing to do.
    void finish();

    std::string name() const { return path_.filename(); }
    FileRecord record() const { return recorder_.record(); }
    /// Of all pages, in their order.
    std::span<const Hash> hashes() const { return hashes_; }

  private:
    void write(std::string_view text);
    void compress_and_write(std::span<const std::byte> bytes);
    void write_frames(std::span<const std::byte> bytes);

    sys::Path path_;
    Compression compression_;
    PageCache cache_ = PageCache::used;
    sys::UniqueFd fd_;
    sys::Recorder recorder_;
    std::vector<Hash> hashes_;
    std::vector<std::byte> pending_;  ///< less than a frame
    std::vector<Frame> frames_;
    sys::EarlyWriteback writeback_;
};

/// How long the memory in a compressed image is. Throws Kind::damaged.
std::uint64_t plain_size(const sys::Path& compressed);

/// Writes the memory of a compressed image to a new file, on all cores. Throws Kind::damaged, or system_error.
void decompress_file(const sys::Path& compressed, const sys::Path& plain, sys::Interrupts& interrupts);

}  // namespace stasis::pages
