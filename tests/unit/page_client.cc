#include "tests/unit/page_client.h"

namespace stasis::pages {
namespace {

template <typename Number>
void append(std::string& text, Number number) {
    text.append(reinterpret_cast<const char*>(&number), sizeof number);
}

}  // namespace

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string header(const Layout& layout, std::uint32_t command, std::uint64_t count, std::uint64_t address,
                   std::uint64_t image) {
    std::string text;
    append(text, command);
    if (layout.wide_counts) {
        append(text, std::uint32_t{0x5a5a5a5a});  // padding, whatever it holds
        append(text, count);
    } else {
        append(text, static_cast<std::uint32_t>(count));
    }
    append(text, address);
    append(text, image);
    return text;
}

std::string page(char byte) { return std::string(kPageSize, byte); }

void send_all(const Criu& criu, const std::vector<std::pair<std::uint64_t, Memory>>& images) {
    for (const auto& [image, memory] : images) {
        (void)criu.ask(header(kWide, kOpen, 0, 0, image), 1);
        for (const auto& [address, pages] : memory)
            criu.send(header(kWide, add_with(kPresent | 2), pages.size() / kPageSize, address, image) + pages);
    }
    (void)criu.ask(header(kWide, kClose, 0, 0, 0), 4);
}

void dump_into(const test::TempDir& folder, std::size_t capacity, std::optional<Parent> parent,
               const std::vector<std::pair<std::uint64_t, Memory>>& images) {
    Receiver receiver(folder.path(), kWide, 0, capacity, {std::move(parent), {}});
    send_all(Criu(receiver), images);
    receiver.finish();
    receiver.write(test::nothing_interrupts());
}

FileRecords records_of(const test::TempDir& folder) {
    return sys::record_tree(folder.path(), test::nothing_interrupts());
}

std::string flags_of(const test::TempDir& folder, const char* pagemap) {
    std::string text;
    for (const Entry& entry : read_pagemap(folder / pagemap).entries)
        text += std::to_string(entry.address >> 12) + "+" + std::to_string(entry.pages) +
                ((entry.flags & kInParent) != 0 ? "p" : "") + ((entry.flags & kPresent) != 0 ? "w" : "") +
                ((entry.flags & (kLazy | kLazyInParent)) != 0 ? "l " : " ");
    return text;
}

}  // namespace stasis::pages
