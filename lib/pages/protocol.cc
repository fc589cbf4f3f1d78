#include "lib/pages/protocol.h"

#include <unistd.h>

#include <cstring>

namespace stasis::pages {
namespace {

constexpr criu::Version kFirstWide{4, 2, 0};
constexpr criu::Version kFirstUnknown{4, 3, 0};
constexpr std::uint64_t kKindBits = 8;
constexpr std::uint64_t kKindMask = (1U << kKindBits) - 1;
constexpr std::uint32_t kCommandMask = 0xffff;
constexpr unsigned kFlagsShift = 16;

std::size_t address_offset(const Layout& layout) { return layout.header_size - 2 * sizeof(std::uint64_t); }

template <typename Number>
Number number_at(std::span<const std::byte> bytes, std::size_t offset) {
    Number number{};
    std::memcpy(&number, bytes.data() + offset, sizeof number);
    return number;
}

template <typename Number>
void put_number(std::span<std::byte> bytes, std::size_t offset, Number number) {
    std::memcpy(bytes.data() + offset, &number, sizeof number);
}

bool is_known(std::uint32_t command) {
    switch (static_cast<Command>(command)) {
        case Command::open:
        case Command::has_parent:
        case Command::add:
        case Command::get:
        case Command::close:
        case Command::close_by_force: return true;
    }
    return false;
}

}  // namespace

std::optional<ImageKind> image_kind(std::uint64_t image) {
    switch (static_cast<ImageKind>(image & kKindMask)) {
        case ImageKind::process:
        case ImageKind::shared_memory: return static_cast<ImageKind>(image & kKindMask);
    }
    return std::nullopt;
}

std::uint64_t image_number(std::uint64_t image) { return image >> kKindBits; }

std::optional<Layout> layout_of(const criu::Version& version) {
    const bool is_known_version = version >= criu::kOldestSupported && version < kFirstUnknown;
    if (!is_known_version || ::sysconf(_SC_PAGESIZE) != static_cast<long>(kPageSize)) return std::nullopt;
    return version < kFirstWide ? Layout{24, false} : Layout{kLargestHeader, true};
}

std::optional<Header> parse_header(const Layout& layout, std::span<const std::byte> bytes) {
    if (bytes.size() != layout.header_size) return std::nullopt;
    const auto word = number_at<std::uint32_t>(bytes, 0);
    // Only the commands that carry flags have them in the upper half.
    const bool is_add = (word & kCommandMask) == static_cast<std::uint32_t>(Command::add);
    const std::uint32_t command = is_add ? word & kCommandMask : word;
    if (!is_known(command)) return std::nullopt;
    Header header;
    header.command = static_cast<Command>(command);
    header.flags = is_add ? word >> kFlagsShift : 0;
    header.count = layout.wide_counts ? number_at<std::uint64_t>(bytes, 8) : number_at<std::uint32_t>(bytes, 4);
    header.address = number_at<std::uint64_t>(bytes, address_offset(layout));
    header.image = number_at<std::uint64_t>(bytes, address_offset(layout) + sizeof(std::uint64_t));
    constexpr std::uint64_t kMostPages = std::uint64_t{1} << 40;
    const bool has_count = is_add || header.command == Command::get;
    if (has_count && (header.count == 0 || header.count > kMostPages)) return std::nullopt;
    return header;
}

std::vector<std::byte> format_header(const Layout& layout, const Header& header) {
    std::vector<std::byte> bytes(layout.header_size);
    put_number(bytes, 0, static_cast<std::uint32_t>(header.command) | header.flags << kFlagsShift);
    if (layout.wide_counts)
        put_number(bytes, 8, header.count);
    else
        put_number(bytes, 4, static_cast<std::uint32_t>(header.count));
    put_number(bytes, address_offset(layout), header.address);
    put_number(bytes, address_offset(layout) + sizeof header.address, header.image);
    return bytes;
}

}  // namespace stasis::pages
