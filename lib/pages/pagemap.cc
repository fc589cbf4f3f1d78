#include "lib/pages/pagemap.h"

#include <cstring>
#include <string>
#include <string_view>

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

class Reader {
  public:
    Reader(const sys::Path& file, std::string_view rest) : file_(file), rest_(rest) {}

    bool at_end() const { return rest_.empty(); }
    std::uint32_t number() {
        std::uint32_t value = 0;
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }
    template <typename Message>
    Message message() {
        const std::string_view bytes = take(number());
        Message message;
        if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) damaged();
        return message;
    }
    [[noreturn]] void damaged() const {
        throw Error(Kind::damaged, "'" + file_.string() + "' is no pagemap that CRIU would read");
    }

  private:
    std::string_view take(std::size_t length) {
        if (rest_.size() < length) damaged();
        const std::string_view taken = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return taken;
    }

    const sys::Path& file_;
    std::string_view rest_;
};

}  // namespace

void write_pagemap(const sys::Path& file, const Pagemap& pagemap, bool wide_counts) {
    std::string text;
    append_number(text, kCommonMagic);
    append_number(text, kPagemapMagic);
    criu::images::PagemapHead head;
    head.set_pages_id(pagemap.pages_id);
    append(text, head);
    for (const Entry& entry : pagemap.entries) {
        criu::images::PagemapEntry written;
        written.set_vaddr(entry.address);
        written.set_compat_nr_pages(wide_counts ? 0 : static_cast<std::uint32_t>(entry.pages));
        if (wide_counts) written.set_nr_pages(entry.pages);
        written.set_flags(entry.flags);
        append(text, written);
    }
    sys::write_new_file(file, text, kImageMode);
}

Pagemap read_pagemap(const sys::Path& file) {
    constexpr std::uint64_t kMostPages = 1ULL << 40;  // so that no sum of an address and a length overflows
    const std::string text = sys::read_file(file);
    Reader reader(file, text);
    if (reader.number() != kCommonMagic || reader.number() != kPagemapMagic) reader.damaged();
    Pagemap pagemap;
    pagemap.pages_id = reader.message<criu::images::PagemapHead>().pages_id();
    while (!reader.at_end()) {
        const auto read = reader.message<criu::images::PagemapEntry>();
        const std::uint64_t pages = read.has_nr_pages() ? read.nr_pages() : read.compat_nr_pages();
        if (read.vaddr() % kPageSize != 0 || read.vaddr() > INT64_MAX || pages > kMostPages) reader.damaged();
        pagemap.entries.push_back({read.vaddr(), pages, read.flags()});
    }
    return pagemap;
}

}  // namespace stasis::pages
