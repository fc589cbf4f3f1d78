#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/move.pb.h"

namespace stasis::move {

/// The protocol that this stasis speaks, and the oldest that it still understands.
constexpr std::uint32_t kProtocol = 3;
constexpr std::uint32_t kOldestProtocol = 2;
/// The first one in which memory can follow from the source.
constexpr std::uint32_t kProtocolOfTrials = 3;

/// What each end sends before its first frame, so that a greeting of the login shell is told from a stasis.
constexpr std::string_view kGreeting = "stasis-move\n";

/// No frame is larger. The largest are manifests: some 100 bytes for each file that the target had open.
constexpr std::size_t kMaxFrame = 64 << 20;
/// How much of a stream goes into one frame.
constexpr std::size_t kChunk = 256 << 10;

/// A frame on the wire: four bytes of length, little endian, then the message. With `compress`, data that becomes
/// smaller by it goes as zstd; who reads it sees no difference.
std::string encode(const Frame& frame, bool compress = false);

/// Takes a stream of bytes apart into frames. The stream comes from another machine, and is taken for hostile:
/// what is no frame throws Kind::failed.
class FrameReader {
  public:
    /// `greeting`: the stream begins with kGreeting.
    explicit FrameReader(bool greeting) : greeted_(!greeting) {}

    void feed(std::string_view bytes);
    /// The next whole frame, if there is one.
    std::optional<Frame> next();
    /// Bytes that wait to become frames.
    std::size_t waiting() const { return buffer_.size() - at_; }

  private:
    bool take_greeting();

    std::string buffer_;
    std::size_t at_ = 0;  ///< what lies before was taken
    bool greeted_;
};

/// Text of the other end, without what would do harm to a terminal: control characters become '?'.
std::string printable(std::string text);

/// The highest protocol that both ends speak. Throws Kind::failed where there is none.
std::uint32_t agree(const Hello& theirs);

}  // namespace stasis::move
