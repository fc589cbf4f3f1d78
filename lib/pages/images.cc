#include "lib/pages/images.h"

#include <fcntl.h>

#include <algorithm>
#include <future>

#include "lib/base/error.h"

namespace stasis::pages {
namespace {

/// As CRIU makes its images (CR_FD_PERM); the checkpoint's folder is root's alone.
constexpr mode_t kImageMode = 0644;

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Adds to the last entry what follows it.
void append(std::vector<Entry>& entries, const Entry& entry) {
    if (!entries.empty() && entries.back().end() == entry.address && entries.back().flags == entry.flags)
        entries.back().pages += entry.pages;
    else
        entries.push_back(entry);
}

}  // namespace

/// Writes one `pages-N.img`.
class Images::Writer {
  public:
    Writer(const sys::Path& file, Image& image, Arena& arena, const std::function<void()>& check)
        : file_(file),
          fd_(sys::open_path(file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, kImageMode)),
          image_(image),
          arena_(arena),
          check_(check) {}

    /// These bytes of the arena, which are no longer needed then.
    void write(std::size_t offset, std::size_t length) {
        constexpr std::size_t kAtOnce = 16 << 20;
        for (std::size_t done = 0; done < length; done += kAtOnce) {
            check_();
            const std::span<const std::byte> bytes = arena_.at(offset + done, std::min(kAtOnce, length - done));
            const std::string_view text = text_of(bytes);
            // A thread costs more than the checksum of a few pages.
            const auto policy = text.size() == kAtOnce ? std::launch::async : std::launch::deferred;
            const std::future<void> recorded = std::async(policy, [&] { image_.pages.add(text); });
            sys::write_all(fd_.get(), text, file_.native());
            recorded.wait();
            if (text.size() == kAtOnce) arena_.release(offset + done, text.size());
            start_writing_back(text.size());
        }
    }

  private:
    /// The disk shall not wait for the end.
    void start_writing_back(std::size_t written) {
        constexpr std::size_t kWorthIt = 64 << 20;
        pending_ += written;
        if (pending_ < kWorthIt) return;
        (void)::sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
        pending_ = 0;
    }

    const sys::Path& file_;
    sys::UniqueFd fd_;
    Image& image_;
    Arena& arena_;
    const std::function<void()>& check_;
    std::size_t pending_ = 0;
};

void Images::open(const ImageId& id) {
    Image image;
    image.id = id;
    image.pagemap.pages_id = static_cast<std::uint32_t>(images_.size() + 1);
    images_.push_back(std::move(image));
}

void Images::add(const Header& header) {
    if (images_.empty()) throw Error(Kind::failed, "CRIU sent memory that belongs to no image");
    next_ = {header.address, 0, header.flags};
}

void Images::extend(std::size_t offset, std::size_t length) {
    next_.pages = length / kPageSize;
    images_.back().in_arena.push_back({next_, offset});
    next_.address = next_.end();
}

/// For each page of the arena.
std::vector<bool> Images::find_unchanged(const std::vector<Hash>& hashes) const {
    std::vector<bool> unchanged(hashes.size());
    if (!parent_) return unchanged;
    for (const Image& image : images_)
        for (const Piece& piece : image.in_arena) {
            std::span<const Hash> known;
            const std::size_t first = piece.offset / kPageSize;
            for (std::size_t page = 0; page < piece.entry.pages; ++page) {
                if (known.empty()) known = parent_->from(image.id, piece.entry.address + page * kPageSize);
                if (known.empty()) continue;
                unchanged[first + page] = known.front() == hashes[first + page];
                known = known.subspan(1);
            }
        }
    return unchanged;
}

/// A parent is kept that is worth its space: a checkpoint keeps all of it, also what it no longer needs.
void Images::settle_parent(const std::vector<bool>& unchanged) {
    constexpr long kWorthIt = 4;
    is_parent_settled_ = true;
    if (!parent_) return;
    const bool is_worth_it =
        std::count(unchanged.begin(), unchanged.end(), true) * kWorthIt >= static_cast<long>(unchanged.size());
    try {
        if (is_worth_it) return parent_->link_into(folder_);
    } catch (const Error&) {
        sys::remove_tree(folder_ / Parent::kFolder);  // no hard links here: then the whole memory is written
    }
    parent_.reset();
}

void Images::write_pages(Arena& arena, const std::function<void()>& check) {
    const std::vector<Hash> hashes = hash_pages(arena.used_bytes());
    std::vector<bool> unchanged = find_unchanged(hashes);
    if (!is_parent_settled_) settle_parent(unchanged);
    if (!parent_) unchanged.assign(hashes.size(), false);
    for (Image& image : images_) {
        const sys::Path file = folder_ / pages_name(image.pagemap.pages_id);
        Writer writer(file, image, arena, check);
        for (const Piece& piece : image.in_arena) {
            const std::size_t first = piece.offset / kPageSize;
            for (std::size_t page = 0; page < piece.entry.pages;) {
                const bool is_unchanged = unchanged[first + page];
                std::size_t end = page + 1;
                while (end < piece.entry.pages && unchanged[first + end] == is_unchanged) ++end;
                const std::uint32_t flags =
                    is_unchanged ? (piece.entry.flags & ~kPresent) | kInParent : piece.entry.flags;
                append(image.pagemap.entries, {piece.entry.address + page * kPageSize, end - page, flags});
                if (!is_unchanged) {
                    writer.write((first + page) * kPageSize, (end - page) * kPageSize);
                    image.hashes.insert(image.hashes.end(), hashes.begin() + static_cast<std::ptrdiff_t>(first + page),
                                        hashes.begin() + static_cast<std::ptrdiff_t>(first + end));
                }
                page = end;
            }
        }
        image.in_arena.clear();
    }
    arena.reset();
}

void Images::write_pagemaps() {
    if (parent_) records_ = parent_->records();
    for (const Image& image : images_) {
        write_pagemap(folder_ / pagemap_name(image.id), image.pagemap, layout_.wide_counts);
        sys::write_new_file(folder_ / hashes_name(image.pagemap.pages_id),
                            text_of(std::as_bytes(std::span(image.hashes))), kImageMode);
        records_[pages_name(image.pagemap.pages_id)] = image.pages.record();
    }
}

}  // namespace stasis::pages
