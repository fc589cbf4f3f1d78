#include "lib/pages/images.h"

#include <fcntl.h>

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "proto/criu_images.pb.h"

namespace stasis::pages {
namespace {

constexpr std::uint32_t kCommonMagic = 0x54564319;
constexpr std::uint32_t kPagemapMagic = 0x56084025;
/// As CRIU makes its images (CR_FD_PERM); the checkpoint's folder is root's alone.
constexpr mode_t kImageMode = 0644;

void append_number(std::string& image, std::uint32_t number) {
    image.append(reinterpret_cast<const char*>(&number), sizeof number);
}

/// A message with its length before it, as in all images of CRIU.
void append(std::string& image, const google::protobuf::MessageLite& message) {
    const std::string bytes = message.SerializeAsString();
    append_number(image, static_cast<std::uint32_t>(bytes.size()));
    image += bytes;
}

criu::images::PagemapEntry entry_of(const Header& header, bool wide_counts) {
    criu::images::PagemapEntry entry;
    entry.set_vaddr(header.address);
    entry.set_compat_nr_pages(wide_counts ? 0 : static_cast<std::uint32_t>(header.count));
    if (wide_counts) entry.set_nr_pages(header.count);
    entry.set_flags(header.flags);
    return entry;
}

}  // namespace

void Images::open(ImageKind kind, std::uint64_t number) {
    const char* name = kind == ImageKind::process ? "pagemap-{}.img" : "pagemap-shmem-{}.img";
    Image image;
    image.pagemap = folder_ / fmt::format(fmt::runtime(name), number);
    image.pages_id = static_cast<std::uint32_t>(images_.size() + 1);
    images_.push_back(std::move(image));
}

void Images::add(const Header& header) {
    if (images_.empty()) throw Error(Kind::failed, "CRIU sent memory that belongs to no image");
    images_.back().entries.push_back(header);
}

void Images::extend(std::size_t offset, std::size_t length) {
    std::vector<Stretch>& stretches = images_.back().in_arena;
    if (!stretches.empty() && stretches.back().offset + stretches.back().length == offset)
        stretches.back().length += length;
    else
        stretches.push_back({offset, length});
}

sys::Path Images::pages_of(const Image& image) const { return folder_ / fmt::format("pages-{}.img", image.pages_id); }

void Images::write_pages(Arena& arena, const std::function<void()>& check) {
    constexpr std::size_t kAtOnce = 16 << 20;
    for (Image& image : images_) {
        const sys::UniqueFd file =
            sys::open_path(pages_of(image), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, kImageMode);
        for (const Stretch& stretch : image.in_arena)
            for (std::size_t done = 0; done < stretch.length; done += kAtOnce) {
                check();
                const std::size_t length = std::min(kAtOnce, stretch.length - done);
                const auto bytes = arena.at(stretch.offset + done, length);
                sys::write_all(file.get(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                               pages_of(image).native());
            }
        image.in_arena.clear();
    }
    arena.reset();
}

void Images::write_pagemaps() const {
    for (const Image& image : images_) {
        std::string text;
        append_number(text, kCommonMagic);
        append_number(text, kPagemapMagic);
        criu::images::PagemapHead head;
        head.set_pages_id(image.pages_id);
        append(text, head);
        for (const Header& entry : image.entries) append(text, entry_of(entry, layout_.wide_counts));
        sys::write_new_file(image.pagemap, text, kImageMode);
    }
}

}  // namespace stasis::pages
