#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/pages/protocol.h"

namespace stasis::pages {

/// Whose memory an image holds: a task's, by its pid in its own namespace, or one that tasks share.
struct ImageId {
    ImageKind kind{};
    std::uint64_t number = 0;

    auto operator<=>(const ImageId&) const = default;
};

/// `pagemap-<pid>.img` or `pagemap-shmem-<id>.img`.
std::string pagemap_name(const ImageId& id);
std::optional<ImageId> parse_pagemap_name(const std::string& name);

/// `pages-<n>.img`, which a pagemap names.
std::string pages_name(std::uint32_t pages_id);
/// Compressed ones as well.
bool is_pages_image(const std::string& name);

/// `hashes-<n>.img`: ours, a Hash for each page of `pages-<n>.img`.
std::string hashes_name(std::uint32_t pages_id);
bool is_hashes_image(const std::string& name);

/// Any of these.
bool is_memory_image(const std::string& name);

}  // namespace stasis::pages
