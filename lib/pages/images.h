#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "lib/base/file_record.h"
#include "lib/pages/arena.h"
#include "lib/pages/names.h"
#include "lib/pages/pagemap.h"
#include "lib/pages/pages_file.h"
#include "lib/pages/parent.h"
#include "lib/pages/protocol.h"
#include "lib/sys/file.h"

namespace stasis::pages {

/// What makes memory images smaller.
struct Savings {
    std::optional<Parent> parent;
    Compression compression;
    bool always = false;  ///< the parent is kept however little it has
};

/// The memory images of a dump as CRIU writes them itself: `pagemap-PID.img` and `pagemap-shmem-ID.img` with the
/// addresses, and a `pages-N.img` each with what is there (4.2.1, criu/page-xfer.c); and a `hashes-N.img`, by which
/// a later dump knows what has not changed. With a parent, only what differs from it is written.
class Images {
  public:
    Images(sys::Path folder, Layout layout, Savings savings)
        : folder_(std::move(folder)),
          layout_(layout),
          compression_(savings.compression),
          parent_(std::move(savings.parent)),
          always_(savings.always) {}

    /// What is added from here on belongs to this image.
    void open(const ImageId& id);
    /// Pages at `header.address`, or where they are.
    void add(const Header& header);
    /// Bytes of the arena that belong to what was added last: whole pages.
    void extend(std::size_t offset, std::size_t length);

    /// Appends what lies in the arena to the files, and empties it. `check` is called now and then, and may throw.
    void write_pages(Arena& arena, const std::function<void()>& check);
    /// The rest, once all pages are written.
    void write_pagemaps();

    /// What is known of the files without reading them.
    const FileRecords& records() const { return records_; }
    bool has_parent() const { return parent_.has_value(); }

  private:
    struct Piece {
        Entry entry;
        std::size_t offset;  ///< in the arena

        bool is_followed_by(const Entry& next, std::size_t next_offset) const {
            return entry.is_followed_by(next) && offset + entry.pages * kPageSize == next_offset;
        }
    };
    struct Image {
        ImageId id;
        Pagemap pagemap;
        std::vector<Piece> in_arena;
        std::vector<Hash> hashes;  ///< of the pages that were written
        PagesFile pages;
    };

    std::vector<bool> find_unchanged(const std::vector<Hash>& hashes) const;
    void write_piece(Image& image, const Piece& piece, const std::vector<Hash>& hashes,
                     const std::vector<bool>& unchanged, Arena& arena, const std::function<void()>& check);
    void settle_parent(const std::vector<bool>& unchanged);

    sys::Path folder_;
    Layout layout_;
    Compression compression_;
    std::optional<Parent> parent_;
    bool always_;
    bool is_parent_settled_ = false;
    std::vector<Image> images_;
    Entry next_;  ///< where what comes next belongs
    FileRecords records_;
};

}  // namespace stasis::pages
