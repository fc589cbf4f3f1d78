#include "lib/ops/plain_images.h"

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/criu/images.h"
#include "lib/pages/lazy.h"
#include "lib/pages/plain.h"

namespace stasis::ops {
namespace {

constexpr mode_t kPrivate = 0700;
constexpr const char* kInMemory = "/run/stasis/plain";

/// A private folder with room for so much.
Path choose_folder(const Path& on_disk, const Path& in_memory, std::uint64_t needed) {
    constexpr std::uint64_t kSpare = 64 << 20;
    for (const Path& folder : {on_disk, in_memory}) {
        std::error_code missing;
        std::filesystem::create_directories(folder.parent_path(), missing);
        if (missing || sys::free_bytes(folder.parent_path()) < needed + kSpare) continue;
        sys::make_directory(folder, kPrivate);
        return folder;
    }
    throw Error(Kind::failed, fmt::format("there is no room to unpack the images: they need {} MiB, and neither '{}' "
                                          "nor '{}' has that left",
                                          (needed + kSpare) >> 20, on_disk.parent_path().string(), kInMemory))
        .hint("free some space on one of them");
}

}  // namespace

PlainImages::PlainImages(const Target& target, const store::Location& location, sys::Interrupts& interrupts)
    : path_(store::Folders{location.path()}.images()), on_disk_(store::unpacked_folder(location)) {
    const Path in_memory = Path(kInMemory) / target.text();
    for (const Path& remains : {on_disk_, in_memory}) sys::remove_tree(remains);
    if (!pages::has_compressed(path_)) return;
    unpacked_ = choose_folder(on_disk_, in_memory, pages::plain_bytes(path_));
    try {
        pages::make_plain(path_, unpacked_ / "images", interrupts);
    } catch (...) {
        sys::remove_tree(unpacked_);
        throw;
    }
    path_ = unpacked_ / "images";
}

void PlainImages::make_folder() {
    if (!unpacked_.empty()) return;
    sys::make_directory(on_disk_, kPrivate);
    unpacked_ = on_disk_;
}

Path PlainImages::room() {
    make_folder();
    return unpacked_;
}

void PlainImages::set_clock(Microseconds dumped, Microseconds now) {
    if (!criu::has_wall_clock_timer(path_)) return;
    if (unpacked_.empty()) {
        make_folder();
        sys::Interrupts uninterrupted = sys::Interrupts::none();
        pages::make_plain(path_, unpacked_ / "images", uninterrupted);
        path_ = unpacked_ / "images";
    }
    criu::set_wall_clock_timers(path_, dumped, now);
}

Path PlainImages::made_lazy(pages::Layout layout) {
    make_folder();
    pages::make_lazy(path_, unpacked_ / "lazy", layout);
    return unpacked_ / "lazy";
}

PlainImages::~PlainImages() {
    if (unpacked_.empty()) return;
    try {
        sys::remove_tree(unpacked_);
    } catch (const Error&) {
        // The next restore of this target removes it.
    }
}

}  // namespace stasis::ops
