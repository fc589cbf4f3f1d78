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
};

/// The memory images of a dump as CRIU writes them itself: `pagemap-PID.img` and `pagemap-shmem-ID.img` with the
/// addresses, and a `pages-N.img` each with what is there (4.2.1, criu/page-xfer.c); and a `hashes-N.img`, by which
/// a later dump knows what has not changed. With a parent, only what differs from it is kept and written.
class Images {
  public:
    /// Links the parent into the folder, or does without where that can't be done.
    Images(sys::Path folder, Layout layout, Savings savings);

    /// What is added from here on belongs to this image.
    void open(const ImageId& id);
    /// Pages at `header.address`, or where they are.
    void add(const Header& header);
    /// The next of these pages: what the arena gave last. What the parent has goes back to it.
    void take(Arena& arena, std::span<std::byte> received);

    /// Appends what lies in the arena to the files, and empties it. `check` is called now and then, and may throw.
    void write_pages(Arena& arena, const std::function<void()>& check);
    /// The rest, once all pages are written.
    void write_pagemaps();

    /// What is known of the files without reading them.
    const FileRecords& records() const { return records_; }
    /// Where it turned out to have nothing: until write_pagemaps().
    bool has_parent() const { return parent_.has_value(); }

  private:
    struct Image {
        ImageId id;
        Pagemap pagemap;
        std::size_t in_arena = 0;  ///< bytes, behind those of the image before
        std::vector<Hash> hashes;  ///< of these, where they were compared with the parent
        PagesFile pages;
    };

    void drop_parent();
    std::size_t keep_changed(Image& image, std::span<std::byte> received);

    sys::Path folder_;
    Layout layout_;
    Compression compression_;
    std::optional<Parent> parent_;
    bool is_shared_ = false;  ///< does the parent have anything?
    std::vector<Image> images_;
    Entry next_;  ///< where what comes next belongs
    FileRecords records_;
};

}  // namespace stasis::pages
