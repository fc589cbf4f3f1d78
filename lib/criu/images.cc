#include "lib/criu/images.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "lib/base/error.h"
#include "proto/criu_images.pb.h"

namespace stasis::criu {
namespace {

/// Two magic numbers of four bytes each stand before the first entry.
constexpr std::size_t kHeader = 8;

bool mend(images::TimerFd& timer) {
    const bool periodic = timer.isec() != 0 || timer.insec() != 0;
    const bool expired = timer.vsec() == 0 && timer.vnsec() == 0 && timer.ticks() > 0;
    if (periodic && expired) timer.set_vnsec(1);
    return periodic && expired;
}

bool mend(images::RegularFile& file) {
    if (!file.ext()) return false;
    file.clear_size();
    file.clear_mode();
    if ((file.flags() & O_ACCMODE) != O_RDONLY) file.set_flags(file.flags() | O_APPEND);
    return true;
}

/// The image with every entry mended, or nothing where none needed it.
std::optional<std::string> mended(const std::string& image) {
    std::string result = image.substr(0, kHeader);
    bool changed = false;
    for (std::size_t at = kHeader; at < image.size();) {
        std::uint32_t length = 0;
        if (image.size() - at < sizeof length) throw Error(Kind::failed, "CRIU's files.img is cut short");
        std::memcpy(&length, image.data() + at, sizeof length);
        at += sizeof length;
        images::File file;
        if (image.size() - at < length || !file.ParseFromArray(image.data() + at, static_cast<int>(length)))
            throw Error(Kind::failed, "CRIU's files.img is not what CRIU 4 writes");
        at += length;
        if (file.has_tfd()) changed = mend(*file.mutable_tfd()) || changed;
        if (file.has_reg()) changed = mend(*file.mutable_reg()) || changed;
        const std::string bytes = file.SerializeAsString();
        length = static_cast<std::uint32_t>(bytes.size());
        result.append(reinterpret_cast<const char*>(&length), sizeof length);
        result += bytes;
    }
    return changed ? std::optional(result) : std::nullopt;
}

constexpr const char* kInventory = "inventory.img";

}  // namespace

void mend_files_image(const sys::Path& images) {
    constexpr mode_t kReadable = 0644;
    const std::optional<std::string> image = sys::read_file_if_exists(images / "files.img");
    if (!image) return;
    if (const std::optional<std::string> better = mended(*image))
        sys::write_file_atomically(images / "files.img", *better, kReadable);
}

void write_parent_inventory(const sys::Path& parent, std::chrono::microseconds uptime) {
    // The only image with one magic number (criu/include/magic.h: INVENTORY_MAGIC); then the length of the entry.
    constexpr std::uint32_t kMagic = 0x58313116;
    constexpr std::uint32_t kImageVersion = 2;  // CRTOOLS_IMAGES_V1_1
    constexpr mode_t kReadable = 0644;
    images::Inventory inventory;
    inventory.set_img_version(kImageVersion);
    inventory.set_dump_uptime(static_cast<std::uint64_t>(uptime.count()));
    const std::string entry = inventory.SerializeAsString();
    std::string image;
    for (const std::uint32_t number : {kMagic, static_cast<std::uint32_t>(entry.size())})
        image.append(reinterpret_cast<const char*>(&number), sizeof number);
    sys::write_new_file(parent / kInventory, image + entry, kReadable);
}

void remove_parent_inventory(const sys::Path& parent) {
    (void)::unlink((parent / kInventory).c_str());
    (void)::rmdir(parent.c_str());
}

}  // namespace stasis::criu
