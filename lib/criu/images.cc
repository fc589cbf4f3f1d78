#include "lib/criu/images.h"

#include <fcntl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <optional>
#include <string>

#include "lib/base/error.h"
#include "proto/criu_images.pb.h"

namespace stasis::criu {
namespace {

/// Two magic numbers of four bytes each stand before the first entry.
constexpr std::size_t kHeader = 8;

constexpr const char* kFiles = "files.img";
constexpr const char* kInventory = "inventory.img";

bool make_relative(images::TimerFd& timer) {
    const bool adds_clock = (timer.settime_flags() & TFD_TIMER_ABSTIME) != 0 && timer.clockid() != CLOCK_REALTIME;
    if (adds_clock) timer.set_settime_flags(timer.settime_flags() & ~static_cast<unsigned>(TFD_TIMER_ABSTIME));
    return adds_clock;
}

bool let_fire_again(images::TimerFd& timer) {
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

/// Is it set to a time of day?
bool is_wall_clock(const images::TimerFd& timer) {
    return timer.clockid() == CLOCK_REALTIME && (timer.settime_flags() & TFD_TIMER_ABSTIME) != 0 &&
           (timer.vsec() != 0 || timer.vnsec() != 0);
}

/// CRIU adds the whole seconds of the clock to what stands here.
void set_due(images::TimerFd& timer, std::chrono::nanoseconds due, std::chrono::microseconds now) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(due);
    const auto ahead = seconds - std::chrono::floor<std::chrono::seconds>(now);
    const bool passed = ahead.count() < 0;
    timer.set_vsec(passed ? 0 : static_cast<std::uint64_t>(ahead.count()));
    timer.set_vnsec(passed ? 1 : std::max<std::uint64_t>(1, static_cast<std::uint64_t>((due - seconds).count())));
}

using Change = std::function<bool(images::File&)>;

/// The image with every entry changed, or nothing where none needed it.
std::optional<std::string> changed(const std::string& image, const Change& change) {
    std::string result = image.substr(0, kHeader);
    bool any = false;
    for (std::size_t at = kHeader; at < image.size();) {
        std::uint32_t length = 0;
        if (image.size() - at < sizeof length) throw Error(Kind::failed, "CRIU's files.img is cut short");
        std::memcpy(&length, image.data() + at, sizeof length);
        at += sizeof length;
        images::File file;
        if (image.size() - at < length || !file.ParseFromArray(image.data() + at, static_cast<int>(length)))
            throw Error(Kind::failed, "CRIU's files.img is not what CRIU 4 writes");
        at += length;
        any = change(file) || any;
        const std::string bytes = file.SerializeAsString();
        length = static_cast<std::uint32_t>(bytes.size());
        result.append(reinterpret_cast<const char*>(&length), sizeof length);
        result += bytes;
    }
    return any ? std::optional(result) : std::nullopt;
}

void change_files_image(const sys::Path& images, const Change& change) {
    constexpr mode_t kReadable = 0644;
    const std::optional<std::string> image = sys::read_file_if_exists(images / kFiles);
    if (!image) return;
    if (const std::optional<std::string> better = changed(*image, change))
        sys::write_file_atomically(images / kFiles, *better, kReadable);
}

}  // namespace

void mend_files_image(const sys::Path& images) {
    change_files_image(images, [](images::File& file) {
        bool mended = file.has_reg() && mend(*file.mutable_reg());
        if (file.has_tfd()) {
            mended = let_fire_again(*file.mutable_tfd()) || mended;
            mended = make_relative(*file.mutable_tfd()) || mended;
        }
        return mended;
    });
}

bool has_wall_clock_timer(const sys::Path& images) {
    bool has = false;
    const std::optional<std::string> image = sys::read_file_if_exists(images / kFiles);
    if (image)
        (void)changed(*image, [&](const images::File& file) {
            has = has || (file.has_tfd() && is_wall_clock(file.tfd()));
            return false;
        });
    return has;
}

void set_wall_clock_timers(const sys::Path& images, std::chrono::microseconds dumped, std::chrono::microseconds now) {
    change_files_image(images, [&](images::File& file) {
        if (!file.has_tfd() || !is_wall_clock(file.tfd())) return false;
        images::TimerFd& timer = *file.mutable_tfd();
        const auto left = std::chrono::seconds(timer.vsec()) + std::chrono::nanoseconds(timer.vnsec());
        set_due(timer, dumped + left, now);
        return true;
    });
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
