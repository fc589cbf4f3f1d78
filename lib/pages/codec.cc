#include "lib/pages/codec.h"

#include <lz4frame.h>
#include <zstd.h>

#include <charconv>
#include <memory>
#include <string_view>

#include "lib/base/error.h"

namespace stasis::pages {
namespace {

constexpr const char* kBroken = "a compressed image of memory is broken";

std::string compress_zstd(int level, std::span<const std::byte> bytes) {
    const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
    (void)ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
    (void)ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
    std::string frame(ZSTD_compressBound(bytes.size()), '\0');
    const std::size_t size = ZSTD_compress2(context.get(), frame.data(), frame.size(), bytes.data(), bytes.size());
    if (ZSTD_isError(size) != 0) throw Error(Kind::failed, std::string("zstd: ") + ZSTD_getErrorName(size));
    frame.resize(size);
    return frame;
}

std::string compress_lz4(std::span<const std::byte> bytes) {
    LZ4F_preferences_t preferences{};
    preferences.frameInfo.contentSize = bytes.size();
    preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    preferences.frameInfo.blockSizeID = LZ4F_max1MB;
    std::string frame(LZ4F_compressFrameBound(bytes.size(), &preferences), '\0');
    const std::size_t size = LZ4F_compressFrame(frame.data(), frame.size(), bytes.data(), bytes.size(), &preferences);
    if (LZ4F_isError(size) != 0) throw Error(Kind::failed, std::string("lz4: ") + LZ4F_getErrorName(size));
    frame.resize(size);
    return frame;
}

void decompress_lz4(std::span<const std::byte> frame, std::span<std::byte> to) {
    LZ4F_dctx* raw = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)) != 0)
        throw Error(Kind::failed, "lz4 has no memory");
    const std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context(raw,
                                                                                       &LZ4F_freeDecompressionContext);
    while (!frame.empty() || !to.empty()) {
        std::size_t read = frame.size();
        std::size_t written = to.size();
        const std::size_t wanted = LZ4F_decompress(raw, to.data(), &written, frame.data(), &read, nullptr);
        frame = frame.subspan(read);
        to = to.subspan(written);
        if (LZ4F_isError(wanted) != 0 || (wanted == 0) != (frame.empty() && to.empty()) || (read == 0 && written == 0))
            throw Error(Kind::damaged, kBroken);
    }
}

}  // namespace

Compression compression_from(const std::string& text) {
    constexpr std::string_view kLevel = "zstd:";
    if (text == "none") return {};
    if (text == "lz4") return {Codec::lz4, 0};
    if (text == "zstd") return {Codec::zstd, 0};
    Compression result{Codec::zstd, 0};
    const auto [end, error] =
        std::from_chars(text.data() + std::min(kLevel.size(), text.size()), text.data() + text.size(), result.level);
    if (!text.starts_with(kLevel) || error != std::errc() || end != text.data() + text.size() || result.level < 1 ||
        result.level > ZSTD_maxCLevel())
        throw Error(Kind::usage, "'" + text + "' is no way to compress")
            .hint("none, lz4, zstd, or zstd with a level, as in zstd:3 (1 to " + std::to_string(ZSTD_maxCLevel()) +
                  ")");
    return result;
}

std::string suffix_of(Codec codec) {
    switch (codec) {
        case Codec::lz4: return ".lz4";
        case Codec::zstd: return ".zst";
        case Codec::none: break;
    }
    return "";
}

Codec codec_of(const std::string& name) {
    for (const Codec codec : {Codec::lz4, Codec::zstd})
        if (name.ends_with(suffix_of(codec))) return codec;
    return Codec::none;
}

std::string compress(const Compression& compression, std::span<const std::byte> bytes) {
    return compression.codec == Codec::zstd ? compress_zstd(compression.level, bytes) : compress_lz4(bytes);
}

void decompress(Codec codec, std::span<const std::byte> frame, std::span<std::byte> to) {
    if (codec == Codec::lz4) return decompress_lz4(frame, to);
    if (ZSTD_decompress(to.data(), to.size(), frame.data(), frame.size()) != to.size())
        throw Error(Kind::damaged, kBroken);
}

}  // namespace stasis::pages
