#pragma once

#include <functional>
#include <vector>

#include "lib/pages/arena.h"
#include "lib/pages/protocol.h"
#include "lib/sys/file.h"

namespace stasis::pages {

/// The memory images of a dump as CRIU writes them itself: `pagemap-PID.img` and `pagemap-shmem-ID.img` with the
/// addresses, and a `pages-N.img` each with what is there (4.2.1, criu/page-xfer.c and images/pagemap.proto).
class Images {
  public:
    Images(sys::Path folder, Layout layout) : folder_(std::move(folder)), layout_(layout) {}

    /// What is added from here on belongs to this image.
    void open(ImageKind kind, std::uint64_t number);
    /// Pages at `header.address`, or where they are.
    void add(const Header& header);
    /// Bytes of the arena that belong to what was added last.
    void extend(std::size_t offset, std::size_t length);

    /// Appends what lies in the arena to the files. `check` is called now and then, and may throw.
    void write_pages(Arena& arena, const std::function<void()>& check);
    /// The rest, once all pages are written.
    void write_pagemaps() const;

  private:
    struct Stretch {
        std::size_t offset;
        std::size_t length;
    };
    struct Image {
        sys::Path pagemap;
        std::uint32_t pages_id = 0;
        std::vector<Header> entries;
        std::vector<Stretch> in_arena;
    };
    sys::Path pages_of(const Image& image) const;

    sys::Path folder_;
    Layout layout_;
    std::vector<Image> images_;
};

}  // namespace stasis::pages
