#include "lib/pages/lazy.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>

#include "lib/base/error.h"
#include "lib/pages/chain.h"
#include "lib/pages/pagemap.h"
#include "lib/pages/plain.h"
#include "lib/sys/fd.h"

namespace stasis::pages {
namespace {

/// Of the tasks, not of memory that they share: that is never lazy.
void for_each_pagemap(const sys::Path& images, const std::function<void(const std::string&, Pagemap)>& act) {
    for (const std::string& name : sys::list_directory(images)) {
        const std::optional<ImageId> id = parse_pagemap_name(name);
        if (id && id->kind == ImageKind::process) act(name, read_pagemap(images / name));
    }
}

bool is_lazy_in_parent(const Entry& entry) { return (entry.flags & kLazyInParent) != 0; }

class PageServer {
  public:
    PageServer(const sys::Path& images, Layout layout, int socket) : layout_(layout), socket_(socket), chain_(images) {}

    void serve() {
        std::array<std::byte, kLargestHeader> bytes{};
        const std::span<std::byte> space(bytes.data(), layout_.header_size);
        while (read(space)) {
            const std::optional<Header> header = parse_header(layout_, space);
            if (header && is_close(*header)) {
                (void)::send(socket_, kClosed.data(), kClosed.size(), MSG_NOSIGNAL);
                return;
            }
            if (!header || header->command != Command::get)
                throw Error(Kind::failed, "CRIU asked for pages by a protocol that stasis does not know");
            give(*header);
        }
    }

  private:
    bool read(std::span<std::byte> bytes) const {
        const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), MSG_WAITALL);
        if (got < 0) throw system_error(errno, "read what CRIU asks for");
        if (got != 0 && static_cast<std::size_t>(got) != bytes.size())
            throw Error(Kind::failed, "CRIU ended in the middle of a question");
        return got != 0;
    }

    void give(Header header) {
        std::vector<Chain::Run> runs;
        for (std::uint64_t found = 0; found < header.count; found += runs.back().pages) {
            std::optional<Chain::Run> run =
                chain_.find({ImageKind::process, header.image}, header.address + found * kPageSize);
            if (!run) throw Error(Kind::damaged, "there are pages that no image has");
            run->pages = std::min(run->pages, header.count - found);
            runs.push_back(*run);
        }
        header.command = Command::add;
        header.flags = kPresent;
        const std::vector<std::byte> bytes = format_header(layout_, header);
        if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_MORE) != static_cast<ssize_t>(bytes.size()))
            throw system_error(errno, "send CRIU the pages that it asked for");
        for (const Chain::Run& run : runs) send(run);
    }

    void send(const Chain::Run& run) {
        open(run.file);
        auto offset = static_cast<off_t>(run.first * kPageSize);
        for (std::uint64_t left = run.pages * kPageSize; left > 0;) {
            const ssize_t sent = ::sendfile(socket_, file_.get(), &offset, left);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) throw system_error(errno, "send CRIU the pages that it asked for");
            if (sent == 0) throw Error(Kind::damaged, "there are pages that no image has");
            left -= static_cast<std::uint64_t>(sent);
        }
    }

    /// There may be more of them than descriptors.
    void open(std::size_t file) {
        if (file_ && file == opened_) return;
        const Chain::File& named = chain_.files()[file];
        file_ = sys::open_path(named.folder / pages_name(named.pages_id), O_RDONLY);
        opened_ = file;
    }

    Layout layout_;
    int socket_;
    Chain chain_;
    sys::UniqueFd file_;
    std::size_t opened_ = 0;
};

}  // namespace

bool has_lazy_in_parent(const sys::Path& images) {
    bool has = false;
    for_each_pagemap(images, [&](const std::string&, const Pagemap& pagemap) {
        has = has || std::any_of(pagemap.entries.begin(), pagemap.entries.end(), is_lazy_in_parent);
    });
    return has;
}

void make_lazy(const sys::Path& images, const sys::Path& to, Layout layout) {
    sys::Interrupts uninterrupted = sys::Interrupts::none();
    make_plain(images, to, uninterrupted);
    for_each_pagemap(images, [&](const std::string& name, Pagemap pagemap) {
        for (Entry& entry : pagemap.entries)
            if (is_lazy_in_parent(entry)) entry.flags = kLazy;
        sys::remove_tree(to / name);  // a link
        write_pagemap(to / name, pagemap, layout.wide_counts);
    });
}

std::uint64_t lazy_bytes(const sys::Path& images) {
    std::uint64_t bytes = 0;
    for_each_pagemap(images, [&](const std::string&, const Pagemap& pagemap) {
        for (const Entry& entry : pagemap.entries)
            if ((entry.flags & kLazy) != 0) bytes += entry.pages * kPageSize;
    });
    return bytes;
}

void serve_pages(const sys::Path& images, Layout layout, int socket) { PageServer(images, layout, socket).serve(); }

}  // namespace stasis::pages
