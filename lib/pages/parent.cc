#include "lib/pages/parent.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lib/base/error.h"
#include "lib/pages/names.h"
#include "lib/pages/pagemap.h"
#include "lib/sys/checksum.h"

namespace stasis::pages {
namespace {

std::vector<Hash> read_hashes(const sys::Path& file) {
    const std::string text = sys::read_file(file);
    std::vector<Hash> hashes(text.size() / sizeof(Hash));
    std::memcpy(hashes.data(), text.data(), hashes.size() * sizeof(Hash));
    return hashes;
}

std::size_t depth_of(const sys::Path& path) {
    return static_cast<std::size_t>(std::distance(path.begin(), path.end())) - 1;
}

/// Is it as its record says? Of pages, which may be many, the size alone.
bool is_as_recorded(int images, const std::string& path, const FileRecord& record) {
    if (!is_pages_image(sys::Path(path).filename())) return sys::record_of(images, path, &record) == record;
    struct stat info {};
    return ::fstatat(images, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
           static_cast<std::uint64_t>(info.st_size) == record.size;
}

}  // namespace

std::optional<Parent> Parent::load(const sys::Path& images, const FileRecords& records) {
    Parent parent;
    parent.images_ = images;
    std::size_t depth = 0;
    bool has_hashes = false;
    for (const auto& [path, record] : records) {
        const std::string name = sys::Path(path).filename();
        if (!is_memory_image(name)) continue;
        parent.records_[path] = record;
        depth = std::max(depth, depth_of(path));
        has_hashes = has_hashes || is_hashes_image(name);
    }
    if (!has_hashes || depth + 2 > kMostInChain) return std::nullopt;
    try {
        const sys::UniqueFd folder = sys::open_path(images, O_RDONLY | O_DIRECTORY);
        for (const auto& [path, record] : parent.records_)
            if (!is_as_recorded(folder.get(), path, record))
                throw Error(Kind::damaged, "'" + (images / path).string() + "' is not as it was sealed");
        parent.runs_ = parent.load_level(images, depth);
    } catch (Error& error) {
        throw error.kind(Kind::damaged);
    }
    return parent;
}

/// What is known of the memory in `images`, below which there are `depth` more.
Parent::Runs Parent::load_level(const sys::Path& images, std::size_t depth) {
    const Runs inherited = depth > 0 ? load_level(images / kFolder, depth - 1) : Runs();
    Runs runs;
    for (const std::string& name : sys::list_directory(images)) {
        const std::optional<ImageId> id = parse_pagemap_name(name);
        if (!id) continue;
        const Pagemap pagemap = read_pagemap(images / name);
        const std::span<const Hash> hashes = hashes_.emplace_back(read_hashes(images / hashes_name(pagemap.pages_id)));
        std::vector<Run>& known = runs[*id];
        std::size_t read = 0;
        for (const Entry& entry : pagemap.entries) {
            if ((entry.flags & kPresent) != 0) {
                if (hashes.size() - read < entry.pages) throw Error(Kind::damaged, "there are pages without a hash");
                known.push_back({entry.address, hashes.subspan(read, entry.pages)});
                read += entry.pages;
                continue;
            }
            for (std::uint64_t address = entry.address; address < entry.end();) {
                const std::span<const Hash> older = from(inherited, *id, address);
                if (older.empty()) throw Error(Kind::damaged, "there are pages that no image has");
                const std::size_t taken = std::min<std::size_t>(older.size(), (entry.end() - address) / kPageSize);
                known.push_back({address, older.first(taken)});
                address += taken * kPageSize;
            }
        }
    }
    return runs;
}

std::span<const Hash> Parent::from(const Runs& runs, const ImageId& id, std::uint64_t address) {
    const auto image = runs.find(id);
    if (image == runs.end()) return {};
    const auto after = std::upper_bound(image->second.begin(), image->second.end(), address,
                                        [](std::uint64_t at, const Run& run) { return at < run.address; });
    if (after == image->second.begin()) return {};
    const Run& run = *std::prev(after);
    const std::uint64_t skipped = (address - run.address) / kPageSize;
    return skipped < run.hashes.size() ? run.hashes.subspan(skipped) : std::span<const Hash>();
}

std::span<const Hash> Parent::from(const ImageId& id, std::uint64_t address) const { return from(runs_, id, address); }

bool Parent::is_worth_it() const {
    std::size_t kept = 0;
    for (const std::vector<Hash>& image : hashes_) kept += image.size();
    std::size_t used = 0;
    for (const auto& [id, runs] : runs_)
        for (const Run& run : runs) used += run.hashes.size();
    return kept <= 2 * used;
}

void Parent::link_into(const sys::Path& images) const {
    constexpr mode_t kSearchable = 0755;  // as the images: the root of a user namespace reads them
    for (const auto& [path, record] : records_) {
        sys::Path folder = images;
        for (std::size_t depth = 0; depth <= depth_of(path); ++depth)
            sys::make_directory(folder /= kFolder, kSearchable);
        const sys::Path earlier = images_ / path;
        const sys::Path linked = folder / earlier.filename();
        if (::link(earlier.c_str(), linked.c_str()) < 0) throw system_error(errno, "link '" + linked.string() + "'");
    }
}

FileRecords Parent::records() const {
    FileRecords result;
    for (const auto& [path, record] : records_) result[(sys::Path(kFolder) / path).string()] = record;
    return result;
}

}  // namespace stasis::pages
