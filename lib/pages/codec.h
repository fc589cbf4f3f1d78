#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace stasis::pages {

enum class Codec { none, lz4, zstd };

struct Compression {
    Codec codec = Codec::none;
    int level = 0;  ///< zstd's, 0 for its default
};

/// Reads `none`, `lz4`, `zstd` or `zstd:LEVEL`. Throws Kind::usage.
Compression compression_from(const std::string& text);

/// What the name of a compressed image ends with, after ".img": "", ".lz4" or ".zst".
std::string suffix_of(Codec codec);
/// By the end of a name.
Codec codec_of(const std::string& name);

/// One frame as the codec's own tools write and read it, with a checksum of the contents. Throws Kind::failed.
std::string compress(const Compression& compression, std::span<const std::byte> bytes);
/// Fills `to` from one frame. Throws Kind::damaged where it is not that long, or broken.
void decompress(Codec codec, std::span<const std::byte> frame, std::span<std::byte> to);

}  // namespace stasis::pages
