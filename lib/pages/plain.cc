#include "lib/pages/plain.h"

#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/pages/pages_file.h"

namespace stasis::pages {
namespace {

constexpr mode_t kSearchable = 0755;  // as the images: the root of a user namespace reads them

bool is_compressed(const sys::Path& file) { return codec_of(file.filename()) != Codec::none; }

std::vector<std::filesystem::directory_entry> files_below(const sys::Path& images) {
    std::vector<std::filesystem::directory_entry> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(images))
        if (!entry.is_directory()) files.push_back(entry);
    return files;
}

}  // namespace

bool has_compressed(const sys::Path& images) {
    const auto files = files_below(images);
    return std::any_of(files.begin(), files.end(), [](const auto& file) { return is_compressed(file.path()); });
}

std::uint64_t plain_bytes(const sys::Path& images) {
    std::uint64_t total = 0;
    for (const auto& file : files_below(images))
        total += is_compressed(file.path()) ? plain_size(file.path()) : file.file_size();
    return total;
}

void make_plain(const sys::Path& images, const sys::Path& to, sys::Interrupts& interrupts) {
    sys::make_directory(to, kSearchable);
    for (const std::string& name : sys::list_directory(images)) {
        const sys::Path from = images / name;
        if (std::filesystem::is_directory(std::filesystem::symlink_status(from)))
            make_plain(from, to / name, interrupts);
        else if (is_compressed(from))
            decompress_file(from, to / sys::Path(name).stem(), interrupts);
        else if (::link(from.c_str(), (to / name).c_str()) < 0)
            std::filesystem::copy_file(from, to / name);
    }
}

}  // namespace stasis::pages
