#include "lib/pages/images.h"

#include <algorithm>

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
    if (!entries.empty() && entries.back().is_followed_by(entry))
        entries.back().pages += entry.pages;
    else
        entries.push_back(entry);
}

}  // namespace

void Images::open(const ImageId& id) {
    const auto pages_id = static_cast<std::uint32_t>(images_.size() + 1);
    images_.push_back({id, {pages_id, {}}, {}, {}, PagesFile(folder_ / pages_name(pages_id), compression_)});
}

void Images::add(const Header& header) {
    if (images_.empty()) throw Error(Kind::failed, "CRIU sent memory that belongs to no image");
    next_ = {header.address, 0, header.flags};
}

void Images::extend(std::size_t offset, std::size_t length) {
    next_.pages = length / kPageSize;
    std::vector<Piece>& pieces = images_.back().in_arena;
    // CRIU sends a MiB or so at a time of what may be one large stretch.
    if (!pieces.empty() && pieces.back().is_followed_by(next_, offset))
        pieces.back().entry.pages += next_.pages;
    else
        pieces.push_back({next_, offset});
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
    const bool is_worth_it = always_ || std::count(unchanged.begin(), unchanged.end(), true) * kWorthIt >=
                                            static_cast<long>(unchanged.size());
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
        image.pages.open();
        for (const Piece& piece : image.in_arena) write_piece(image, piece, hashes, unchanged, arena, check);
        image.pages.close();
        image.in_arena.clear();
    }
    arena.reset();
}

/// In runs of pages that are all to be written, or all known.
void Images::write_piece(Image& image, const Piece& piece, const std::vector<Hash>& hashes,
                         const std::vector<bool>& unchanged, Arena& arena, const std::function<void()>& check) {
    constexpr std::size_t kMost = (16 << 20) / kPageSize;
    const std::size_t first = piece.offset / kPageSize;
    for (std::size_t page = 0; page < piece.entry.pages;) {
        const bool is_unchanged = unchanged[first + page];
        std::size_t end = page + 1;
        while (end < piece.entry.pages && end - page < kMost && unchanged[first + end] == is_unchanged) ++end;
        // Never with kLazy: CRIU's lazy-pages would wait for them for ever (4.2.1, criu/pagemap.c: read_parent_page()).
        const std::uint32_t flags = is_unchanged ? kInParent : piece.entry.flags;
        append(image.pagemap.entries, {piece.entry.address + page * kPageSize, end - page, flags});
        if (!is_unchanged) {
            check();
            const std::size_t offset = (first + page) * kPageSize;
            const std::size_t length = (end - page) * kPageSize;
            image.pages.append(arena.at(offset, length));
            image.hashes.insert(image.hashes.end(), hashes.begin() + static_cast<std::ptrdiff_t>(first + page),
                                hashes.begin() + static_cast<std::ptrdiff_t>(first + end));
            // Huge pages are not torn apart for less.
            if (end - page == kMost) arena.release(offset, length);
        }
        page = end;
    }
}

void Images::write_pagemaps() {
    if (parent_) records_ = parent_->records();
    for (Image& image : images_) {
        image.pages.finish();
        write_pagemap(folder_ / pagemap_name(image.id), image.pagemap, layout_.wide_counts);
        sys::write_new_file(folder_ / hashes_name(image.pagemap.pages_id),
                            text_of(std::as_bytes(std::span(image.hashes))), kImageMode);
        records_[image.pages.name()] = image.pages.record();
    }
}

}  // namespace stasis::pages
