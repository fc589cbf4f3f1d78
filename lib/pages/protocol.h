#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lib/criu/version.h"

namespace stasis::pages {

/// What CRIU's page server is asked for (4.2.1, criu/page-xfer.c).
enum class Command : std::uint32_t {
    open = 4,                ///< the pages of an image follow; answered by one byte: has it a parent?
    has_parent = 5,          ///< answered by four bytes
    add = 6,                 ///< pages follow where flags say kPresent
    get = 7,                 ///< asks for pages of a task, by its pid; answered by an add with some of them
    close = 0x1023,          ///< that was all; answered by four bytes
    close_by_force = 0x1024  ///< the same
};

constexpr std::uint32_t kInParent = 1;  ///< unchanged since they were copied before
constexpr std::uint32_t kLazy = 2;      ///< need not be there when the task begins to run
constexpr std::uint32_t kPresent = 4;
/// Of ours, with kInParent: like kLazy, which CRIU's lazy-pages would take for something else: it waits for ever for
/// the pages of a parent (4.2.1, criu/pagemap.c: read_parent_page() tells nobody). CRIU ignores flags that it does not
/// know.
constexpr std::uint32_t kLazyInParent = 1U << 16;
constexpr std::size_t kPageSize = 4096;

/// The answer to either kind of close: all is well.
constexpr std::array<std::byte, 4> kClosed{};

/// What stands before each command's data.
struct Header {
    Command command{};
    std::uint32_t flags = 0;
    std::uint64_t count = 0;    ///< of pages
    std::uint64_t address = 0;  ///< of the first one in its task
    std::uint64_t image = 0;    ///< which pages: image_kind() and image_number()
};

/// Is it the last one?
inline bool is_close(const Header& header) {
    return header.command == Command::close || header.command == Command::close_by_force;
}

enum class ImageKind { process = 1, shared_memory = 2 };
/// Nothing for a kind that there is none of.
std::optional<ImageKind> image_kind(std::uint64_t image);
std::uint64_t image_number(std::uint64_t image);

/// The protocol is internal to CRIU: how its headers are laid out depends on the version.
struct Layout {
    std::size_t header_size = 0;
    bool wide_counts = false;  ///< pages are counted with 64 bits, here and in the images (from 4.2)
};

constexpr std::size_t kLargestHeader = 32;

/// Nothing for versions that were never seen to work, and for pages of another size: CRIU writes its images itself
/// then.
std::optional<Layout> layout_of(const criu::Version& version);

/// Reads a header of layout.header_size bytes. Nothing where it is none: an unknown command, no or too many pages.
std::optional<Header> parse_header(const Layout& layout, std::span<const std::byte> bytes);

/// The bytes of a header.
std::vector<std::byte> format_header(const Layout& layout, const Header& header);

}  // namespace stasis::pages
