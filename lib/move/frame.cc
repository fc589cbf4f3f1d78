#include "lib/move/frame.h"

#include <zstd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/version.h"

namespace stasis::move {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kLongestQuote = 200;

std::uint32_t length_at(const std::string& bytes, std::size_t at) {
    std::uint32_t length = 0;
    for (std::size_t i = kLengthBytes; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[at + i]);
    return length;
}

/// The same data compressed, where that makes it smaller.
std::optional<Frame> compressed(const std::string& data) {
    constexpr int kFast = 1;
    Frame frame;
    std::string& zstd = *frame.mutable_data()->mutable_zstd();
    zstd.resize(ZSTD_compressBound(data.size()));
    const std::size_t size = ZSTD_compress(zstd.data(), zstd.size(), data.data(), data.size(), kFast);
    if (ZSTD_isError(size) != 0 || size >= data.size()) return std::nullopt;
    zstd.resize(size);
    return frame;
}

void decompress(Data& data) {
    std::string bytes(kChunk, '\0');
    const std::size_t size = ZSTD_decompress(bytes.data(), bytes.size(), data.zstd().data(), data.zstd().size());
    if (ZSTD_isError(size) != 0) throw Error(Kind::failed, "the other host sent data that can't be decompressed");
    bytes.resize(size);
    data.clear_zstd();
    data.set_bytes(std::move(bytes));
}

}  // namespace

std::string encode(const Frame& frame, bool compress) {
    if (compress && frame.has_data())
        if (const std::optional<Frame> smaller = compressed(frame.data().bytes())) return encode(*smaller);
    std::string bytes(kLengthBytes, '\0');
    const std::size_t length = frame.ByteSizeLong();
    if (length > kMaxFrame) throw Error(Kind::failed, "a message for the other host is too long");
    for (std::size_t i = 0; i < kLengthBytes; ++i) bytes[i] = static_cast<char>(length >> (8 * i) & 0xff);
    frame.AppendToString(&bytes);
    return bytes;
}

void FrameReader::feed(std::string_view bytes) {
    buffer_.erase(0, at_);
    at_ = 0;
    buffer_.append(bytes);
}

bool FrameReader::take_greeting() {
    const std::size_t have = std::min(waiting(), kGreeting.size());
    if (buffer_.compare(at_, have, kGreeting.substr(0, have)) != 0)
        throw Error(Kind::failed,
                    "the other host does not answer as stasis does: it says '" +
                        printable(buffer_.substr(at_, std::min(buffer_.find('\n', at_) - at_, kLongestQuote))) + "'")
            .hint("its login shell must print nothing when it is not interactive; see ~/.bashrc there");
    if (have < kGreeting.size()) return false;
    at_ += have;
    return greeted_ = true;
}

std::optional<Frame> FrameReader::next() {
    if (!greeted_ && !take_greeting()) return std::nullopt;
    if (waiting() < kLengthBytes) return std::nullopt;
    const std::size_t length = length_at(buffer_, at_);
    if (length > kMaxFrame) throw Error(Kind::failed, "the other host sent a message that is too long");
    if (waiting() < kLengthBytes + length) return std::nullopt;
    Frame frame;
    if (!frame.ParseFromArray(buffer_.data() + at_ + kLengthBytes, static_cast<int>(length)) ||
        frame.content_case() == Frame::CONTENT_NOT_SET)
        throw Error(Kind::failed, "the other host sent what is no message of the protocol");
    at_ += kLengthBytes + length;
    if (frame.data().has_zstd()) decompress(*frame.mutable_data());
    return frame;
}

std::string printable(std::string text) {
    const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
    std::replace_if(text.begin(), text.end(), is_control, '?');
    return text;
}

std::uint32_t agree(const Hello& theirs) {
    const std::uint32_t version = std::min(kProtocol, theirs.newest());
    if (version >= kOldestProtocol && version >= theirs.oldest()) return version;
    const bool they_are_older = theirs.newest() < kOldestProtocol;
    throw Error(Kind::failed, "stasis " + std::string(kVersion) + " here and " + theirs.stasis() +
                                  " on the other host do not understand each other")
        .hint(std::string("install the version of ") + (they_are_older ? "this host there" : "the other host here"));
}

}  // namespace stasis::move
