#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
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

/// What makes memory images smaller, or the machine's memory last.
struct Savings {
    std::optional<Parent> parent;
    Compression compression;
    PageCache cache = PageCache::used;
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

    /// What was taken until now is known, and all images begin anew: a dump follows, which may leave out what has not
    /// changed since. The arena must hold all of it until the end. Returns how many bytes are known.
    std::uint64_t begin_dump();
    /// All images begin anew.
    void forget();
    bool knows(const ImageId& id) const { return known_.contains(id); }
    bool knows_any() const { return !known_.empty(); }
    /// The next of these pages have not changed: they are taken from what is known. Throws Kind::failed where they
    /// are not.
    void take_known(std::uint64_t pages);

    /// What is told of each plain piece while it is appended to a file, by the file's name. The files are written one
    /// after the other.
    using Listener = std::function<void(const std::string& name, std::span<const std::byte> pages)>;
    void set_listener(Listener listener) { listener_ = std::move(listener); }

    /// Appends what lies in the arena to the files, and empties it. `check` is called now and then, and may throw.
    void write_pages(Arena& arena, const std::function<void()>& check);
    /// For an arena that is full: appends what was taken first, as little as is worth it, and frees it. From here on
    /// all goes past the page cache: memory is short, and whoever waits for room waits less. Not after begin_dump().
    void write_oldest(Arena& arena, const std::function<void()>& check);
    /// The rest, once all pages are written.
    void write_pagemaps();

    /// What is known of the files without reading them.
    const FileRecords& records() const { return records_; }
    /// Where it turned out to have nothing: until write_pagemaps().
    bool has_parent() const { return parent_.has_value(); }

  private:
    struct Piece {
        std::size_t offset = 0;  ///< in the arena
        std::size_t length = 0;
    };
    struct Image {
        ImageId id;
        Pagemap pagemap;
        std::deque<Piece> in_arena;  ///< in the order of the file
        std::vector<Hash> hashes;    ///< of all its pages, where they were compared with the parent
        PagesFile pages;
    };

    /// Pages before the dump.
    struct Known {
        Entry entry;
        std::size_t offset = 0;        ///< in the arena, where the parent does not have them
        std::span<const Hash> hashes;  ///< where they were compared with the parent
    };

    void drop_parent();
    static void add_piece(Image& image, const Piece& piece);
    const Known* find_known(const ImageId& id, std::uint64_t address) const;
    Piece write_first(Image& image, const Arena& arena, std::size_t most) const;
    std::size_t keep_changed(Image& image, std::span<std::byte> received);

    sys::Path folder_;
    Layout layout_;
    Compression compression_;
    PageCache cache_;
    Listener listener_;  ///< may be none
    std::optional<Parent> parent_;
    bool is_shared_ = false;  ///< does the parent have anything?
    std::vector<Image> images_;
    std::vector<Image> before_;                    ///< the images before the dump, whose hashes known_ points to
    std::map<ImageId, std::vector<Known>> known_;  ///< by address
    Entry next_;                                   ///< where what comes next belongs
    FileRecords records_;
};

}  // namespace stasis::pages
