#include "lib/pages/names.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "lib/pages/codec.h"

namespace stasis::pages {
namespace {

constexpr std::string_view kProcess = "pagemap-";
constexpr std::string_view kShared = "pagemap-shmem-";
constexpr std::string_view kPages = "pages-";
constexpr std::string_view kHashes = "hashes-";
constexpr std::string_view kEnd = ".img";

std::string name_of(std::string_view prefix, std::uint64_t number) {
    return std::string(prefix) + std::to_string(number) + std::string(kEnd);
}

std::optional<std::uint64_t> number_in(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix) || !name.ends_with(kEnd)) return std::nullopt;
    name.remove_prefix(prefix.size());
    name.remove_suffix(std::min(kEnd.size(), name.size()));
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return number;
}

}  // namespace

std::string pagemap_name(const ImageId& id) {
    return name_of(id.kind == ImageKind::process ? kProcess : kShared, id.number);
}

std::optional<ImageId> parse_pagemap_name(const std::string& name) {
    if (const auto number = number_in(name, kShared)) return ImageId{ImageKind::shared_memory, *number};
    if (const auto number = number_in(name, kProcess)) return ImageId{ImageKind::process, *number};
    return std::nullopt;
}

std::string pages_name(std::uint32_t pages_id) { return name_of(kPages, pages_id); }

bool is_pages_image(const std::string& name) {
    const std::size_t suffix = suffix_of(codec_of(name)).size();
    return number_in(std::string_view(name).substr(0, name.size() - suffix), kPages).has_value();
}

std::string hashes_name(std::uint32_t pages_id) { return name_of(kHashes, pages_id); }

bool is_hashes_image(const std::string& name) { return number_in(name, kHashes).has_value(); }

bool is_memory_image(const std::string& name) {
    return parse_pagemap_name(name) || is_pages_image(name) || is_hashes_image(name);
}

}  // namespace stasis::pages
