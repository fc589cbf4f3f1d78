#include "lib/pages/parent.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lib/base/error.h"
#include "lib/pages/names.h"
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
    FileRecords kept;
    std::size_t depth = 0;
    bool has_hashes = false;
    for (const auto& [path, record] : records) {
        const std::string name = sys::Path(path).filename();
        if (!is_memory_image(name)) continue;
        kept[path] = record;
        depth = std::max(depth, depth_of(path));
        has_hashes = has_hashes || is_hashes_image(name);
    }
    if (!has_hashes || depth + 2 > kMostInChain) return std::nullopt;
    try {
        const sys::UniqueFd folder = sys::open_path(images, O_RDONLY | O_DIRECTORY);
        for (const auto& [path, record] : kept)
            if (!is_as_recorded(folder.get(), path, record))
                throw Error(Kind::damaged, "'" + (images / path).string() + "' is not as it was sealed");
        return Parent(images, std::move(kept));
    } catch (Error& error) {
        throw error.kind(Kind::damaged);
    }
}

Parent::Parent(sys::Path images, FileRecords records)
    : images_(std::move(images)), records_(std::move(records)), chain_(images_) {
    for (const Chain::File& file : chain_.files())
        hashes_.push_back(read_hashes(file.folder / hashes_name(file.pages_id)));
    for (const auto& [id, runs] : chain_.runs())
        for (const Chain::Run& run : runs)
            if (hashes_[run.file].size() < run.first + run.pages)
                throw Error(Kind::damaged, "there are pages without a hash");
}

std::span<const Hash> Parent::from(const ImageId& id, std::uint64_t address) const {
    const std::optional<Chain::Run> run = chain_.find(id, address);
    if (!run) return {};
    return std::span(hashes_[run->file]).subspan(run->first, run->pages);
}

bool Parent::is_worth_it() const {
    std::size_t kept = 0;
    for (const std::vector<Hash>& image : hashes_) kept += image.size();
    std::size_t used = 0;
    for (const auto& [id, runs] : chain_.runs())
        for (const Chain::Run& run : runs) used += run.pages;
    return kept <= 2 * used;
}

void Parent::link_into(const sys::Path& images) const {
    constexpr mode_t kSearchable = 0755;  // as the images: the root of a user namespace reads them
    for (const auto& [path, record] : records_) {
        sys::Path folder = images;
        for (std::size_t depth = 0; depth <= depth_of(path); ++depth)
            sys::make_directory(folder /= Chain::kFolder, kSearchable);
        const sys::Path earlier = images_ / path;
        const sys::Path linked = folder / earlier.filename();
        if (::link(earlier.c_str(), linked.c_str()) < 0) throw system_error(errno, "link '" + linked.string() + "'");
    }
}

FileRecords Parent::records() const {
    FileRecords result;
    for (const auto& [path, record] : records_) result[(sys::Path(Chain::kFolder) / path).string()] = record;
    return result;
}

}  // namespace stasis::pages
