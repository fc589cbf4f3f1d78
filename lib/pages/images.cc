#include "lib/pages/images.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <utility>

#include <fmt/format.h>

#include "lib/base/error.h"

namespace stasis::pages {
namespace {

/// As CRIU makes its images (CR_FD_PERM); the checkpoint's folder is root's alone.
constexpr mode_t kImageMode = 0644;
/// Of memory that is written.
constexpr std::size_t kAtOnce = 16 << 20;

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint32_t in_parent(std::uint32_t flags) { return (flags & kLazy) != 0 ? kInParent | kLazyInParent : kInParent; }

/// Adds to the last entry what follows it.
void append(std::vector<Entry>& entries, const Entry& entry) {
    if (!entries.empty() && entries.back().is_followed_by(entry))
        entries.back().pages += entry.pages;
    else
        entries.push_back(entry);
}

}  // namespace

Images::Images(sys::Path folder, Layout layout, Savings savings)
    : folder_(std::move(folder)),
      layout_(layout),
      compression_(savings.compression),
      cache_(savings.cache),
      parent_(std::move(savings.parent)) {
    if (!parent_) return;
    try {
        parent_->link_into(folder_);
    } catch (const Error&) {
        drop_parent();  // no hard links here: then the whole memory is written
    }
}

void Images::drop_parent() {
    sys::remove_tree(folder_ / Chain::kFolder);
    parent_.reset();
}

void Images::open(const ImageId& id) {
    const auto pages_id = static_cast<std::uint32_t>(images_.size() + 1);
    images_.push_back({id, {pages_id, {}}, {}, {}, PagesFile(folder_ / pages_name(pages_id), compression_, cache_)});
}

void Images::add(const Header& header) {
    if (images_.empty()) throw Error(Kind::failed, "CRIU sent memory that belongs to no image");
    next_ = {header.address, 0, header.flags};
}

void Images::take(Arena& arena, std::span<std::byte> received) {
    Image& image = images_.back();
    std::size_t kept = received.size();
    if (parent_)
        kept = keep_changed(image, received);
    else
        append(image.pagemap.entries, {next_.address, received.size() / kPageSize, next_.flags});
    arena.give_back(received.size() - kept);
    add_piece(image, {arena.offset_of(received), kept});
    next_.address += received.size();
}

void Images::add_piece(Image& image, const Piece& piece) {
    std::deque<Piece>& pieces = image.in_arena;
    if (!pieces.empty() && pieces.back().offset + pieces.back().length == piece.offset)
        pieces.back().length += piece.length;
    else if (piece.length > 0)
        pieces.push_back(piece);
}

std::uint64_t Images::begin_dump() {
    before_ = std::exchange(images_, {});
    is_shared_ = false;
    std::uint64_t bytes = 0;
    std::size_t offset = 0;  // nothing was written yet: they lie one behind the other
    for (const Image& image : before_) {
        std::span<const Hash> hashes(image.hashes);
        for (const Entry& entry : image.pagemap.entries) {
            const bool is_in_arena = (entry.flags & kInParent) == 0;
            known_[image.id].push_back(
                {entry, offset, parent_ && is_in_arena ? hashes.first(entry.pages) : std::span<const Hash>()});
            bytes += entry.pages * kPageSize;
            if (!is_in_arena) continue;
            offset += entry.pages * kPageSize;
            if (parent_) hashes = hashes.subspan(entry.pages);
        }
    }
    return bytes;
}

void Images::forget() {
    images_.clear();
    is_shared_ = false;
}

const Images::Known* Images::find_known(const ImageId& id, std::uint64_t address) const {
    const auto image = known_.find(id);
    if (image == known_.end()) return nullptr;
    const auto after = std::upper_bound(image->second.begin(), image->second.end(), address,
                                        [](std::uint64_t at, const Known& known) { return at < known.entry.address; });
    if (after == image->second.begin() || address >= std::prev(after)->entry.end()) return nullptr;
    return &*std::prev(after);
}

void Images::take_known(std::uint64_t pages) {
    Image& image = images_.back();
    while (pages > 0) {
        const Known* known = find_known(image.id, next_.address);
        if (known == nullptr)
            throw Error(Kind::failed,
                        fmt::format("CRIU left out memory at {:x} that was not copied before", next_.address))
                .transient(true);
        const std::uint64_t skipped = (next_.address - known->entry.address) / kPageSize;
        const std::uint64_t taken = std::min(pages, known->entry.pages - skipped);
        append(image.pagemap.entries, {next_.address, taken, known->entry.flags});
        if ((known->entry.flags & kInParent) != 0) {
            is_shared_ = true;
        } else {
            add_piece(image, {known->offset + skipped * kPageSize, taken * kPageSize});
            if (parent_) {
                const std::span<const Hash> hashes = known->hashes.subspan(skipped, taken);
                image.hashes.insert(image.hashes.end(), hashes.begin(), hashes.end());
            }
        }
        next_.address += taken * kPageSize;
        pages -= taken;
    }
}

/// Moves what the parent does not have to the beginning, and returns how many bytes it is.
std::size_t Images::keep_changed(Image& image, std::span<std::byte> received) {
    const std::vector<Hash> hashes = sys::hash_pages(received);
    std::span<const Hash> known;
    std::size_t kept = 0;
    for (std::size_t page = 0; page < hashes.size(); ++page) {
        const std::uint64_t address = next_.address + page * kPageSize;
        if (known.empty()) known = parent_->from(image.id, address);
        const bool is_unchanged = !known.empty() && known.front() == hashes[page];
        if (!known.empty()) known = known.subspan(1);
        append(image.pagemap.entries, {address, 1, is_unchanged ? in_parent(next_.flags) : next_.flags});
        is_shared_ |= is_unchanged;
        if (is_unchanged) continue;
        std::memmove(received.data() + kept, received.data() + page * kPageSize, kPageSize);
        kept += kPageSize;
        image.hashes.push_back(hashes[page]);
    }
    return kept;
}

void Images::write_pages(Arena& arena, const std::function<void()>& check) {
    for (Image& image : images_) {
        if (image.in_arena.empty()) continue;
        image.pages.open();
        while (!image.in_arena.empty()) {
            check();
            const Piece written = write_first(image, arena, kAtOnce);
            // Huge pages are not torn apart for less.
            if (written.length == kAtOnce) arena.release(written.offset, written.length);
        }
        image.pages.close();
    }
    arena.reset();
}

void Images::write_oldest(Arena& arena, const std::function<void()>& check) {
    if (std::exchange(cache_, PageCache::bypassed) == PageCache::used)
        for (Image& image : images_) image.pages.bypass_cache();
    std::size_t written = 0;
    for (Image& image : images_) {
        if (image.in_arena.empty()) continue;
        image.pages.open();
        while (!image.in_arena.empty() && written < kAtOnce) {
            check();
            const std::size_t length = write_first(image, arena, kAtOnce - written).length;
            arena.free_oldest(length);
            written += length;
        }
        image.pages.close();
        if (written >= kAtOnce) return;
    }
}

/// Appends the first piece in the arena to the file, or so many bytes of it; returns what it was.
Images::Piece Images::write_first(Image& image, const Arena& arena, std::size_t most) const {
    Piece& first = image.in_arena.front();
    const Piece written{first.offset, std::min(most, first.length)};
    std::span<const Hash> hashes(image.hashes);
    if (parent_) hashes = hashes.subspan(image.pages.hashes().size(), written.length / kPageSize);
    const std::span<const std::byte> pages = arena.at(written.offset, written.length);
    // The disk and the listener need not wait for each other.
    std::future<void> writing =
        std::async(listener_ ? std::launch::async : std::launch::deferred, [&] { image.pages.append(pages, hashes); });
    if (listener_) listener_(image.pages.name(), pages);
    writing.get();
    first.offset += written.length;
    first.length -= written.length;
    if (first.length == 0) image.in_arena.pop_front();
    return written;
}

void Images::write_pagemaps() {
    if (parent_ && !is_shared_) drop_parent();
    if (parent_) records_ = parent_->records();
    for (Image& image : images_) {
        image.pages.finish();
        write_pagemap(folder_ / pagemap_name(image.id), image.pagemap, layout_.wide_counts);
        sys::write_new_file(folder_ / hashes_name(image.pagemap.pages_id), text_of(std::as_bytes(image.pages.hashes())),
                            kImageMode);
        records_[image.pages.name()] = image.pages.record();
    }
}

}  // namespace stasis::pages
