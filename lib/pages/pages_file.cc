#include "lib/pages/pages_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <future>

#include "lib/base/error.h"
#include "lib/sys/parallel.h"

namespace stasis::pages {
namespace {

/// As CRIU makes its images (CR_FD_PERM); the checkpoint's folder is root's alone.
constexpr mode_t kImageMode = 0644;
constexpr std::size_t kFrame = 1 << 20;
/// Frames that are compressed, or decompressed, side by side.
constexpr std::size_t kBatch = 16;

// The seek table (zstd, contrib/seekable_format/zstd_seekable_compression_format.md).
constexpr std::uint32_t kSkippable = 0x184D2A5E;
constexpr std::uint32_t kSeekable = 0x8F92EAB1;
constexpr std::size_t kTableHeader = 8;  // kSkippable, and the length of what follows
constexpr std::size_t kTableFooter = 9;  // the number of frames, a zero, and kSeekable

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void append_number(std::string& text, std::uint32_t number) {
    text.append(reinterpret_cast<const char*>(&number), sizeof number);
}

[[noreturn]] void damaged(const sys::Path& file) {
    throw Error(Kind::damaged, "'" + file.string() + "' is no compressed image");
}

void read_at(int fd, std::uint64_t offset, std::span<std::byte> bytes, const sys::Path& file) {
    while (!bytes.empty()) {
        const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw system_error(errno, "read '" + file.string() + "'");
        if (got == 0) damaged(file);
        bytes = bytes.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
    }
}

/// Reads the table at the end, and finds that it fits the file.
std::vector<Frame> read_table(int fd, const sys::Path& file) {
    struct stat info {};
    if (::fstat(fd, &info) < 0) throw system_error(errno, "look at '" + file.string() + "'");
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size < kTableHeader + kTableFooter) damaged(file);
    std::array<std::byte, kTableFooter> footer{};
    read_at(fd, size - kTableFooter, footer, file);
    std::uint32_t count = 0;
    std::uint32_t magic = 0;
    std::memcpy(&count, footer.data(), sizeof count);
    std::memcpy(&magic, footer.data() + sizeof count + 1, sizeof magic);
    const std::uint64_t table = std::uint64_t{count} * sizeof(Frame);
    if (magic != kSeekable || size < kTableHeader + table + kTableFooter) damaged(file);
    std::vector<Frame> frames(count);
    read_at(fd, size - kTableFooter - table, std::as_writable_bytes(std::span(frames)), file);
    std::uint64_t total = kTableHeader + table + kTableFooter;
    for (const Frame& frame : frames) {
        if (frame.plain > kFrame) damaged(file);
        total += frame.compressed;
    }
    if (total != size) damaged(file);
    return frames;
}

}  // namespace

PagesFile::PagesFile(sys::Path path, Compression compression, PageCache cache)
    : path_(std::move(path) += suffix_of(compression.codec)), compression_(compression) {
    if (cache == PageCache::bypassed) bypass_cache();
}

void PagesFile::bypass_cache() {
    if (compression_.codec == Codec::none) cache_ = PageCache::bypassed;
}

void PagesFile::open() {
    fd_ = sys::open_path(path_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, kImageMode);
    // A hint: where the file system knows no other way, the cache is used.
    if (cache_ == PageCache::bypassed) (void)::fcntl(fd_.get(), F_SETFL, O_APPEND | O_DIRECT);
}

void PagesFile::close() { fd_.reset(); }

void PagesFile::append(std::span<const std::byte> memory, std::span<const Hash> known) {
    constexpr std::size_t kWorthAThread = 1 << 20;
    const bool is_worth_it = known.empty() && memory.size() >= kWorthAThread;
    const auto policy = is_worth_it ? std::launch::async : std::launch::deferred;
    std::future<std::vector<Hash>> hashing = std::async(policy, [&] {
        return known.empty() ? sys::hash_pages(memory) : std::vector<Hash>(known.begin(), known.end());
    });
    if (compression_.codec == Codec::none)
        write(text_of(memory));
    else
        compress_and_write(memory);
    const std::vector<Hash> hashes = hashing.get();
    hashes_.insert(hashes_.end(), hashes.begin(), hashes.end());
    if (compression_.codec == Codec::none) recorder_.add_pages(text_of(memory), hashes);
}

void PagesFile::compress_and_write(std::span<const std::byte> bytes) {
    // What is left from before fills a frame first; then whole frames go straight from where they lie.
    if (!pending_.empty()) {
        const std::size_t missing = std::min(kFrame - pending_.size(), bytes.size());
        pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(missing));
        bytes = bytes.subspan(missing);
        if (pending_.size() < kFrame) return;
        write_frames(pending_);
        pending_.clear();
    }
    const std::size_t whole = bytes.size() / kFrame * kFrame;
    write_frames(bytes.first(whole));
    pending_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(whole), bytes.end());
}

void PagesFile::write_frames(std::span<const std::byte> bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
        const std::span<const std::byte> batch = bytes.subspan(done, std::min(kBatch * kFrame, bytes.size() - done));
        std::vector<std::string> frames((batch.size() + kFrame - 1) / kFrame);
        sys::in_parallel(frames.size(), [&](std::size_t first, std::size_t last) {
            for (std::size_t i = first; i < last; ++i)
                frames[i] =
                    compress(compression_, batch.subspan(i * kFrame, std::min(kFrame, batch.size() - i * kFrame)));
        });
        for (std::size_t i = 0; i < frames.size(); ++i) {
            frames_.push_back({static_cast<std::uint32_t>(frames[i].size()),
                               static_cast<std::uint32_t>(std::min(kFrame, batch.size() - i * kFrame))});
            write(frames[i]);
            recorder_.add(frames[i]);
        }
        done += batch.size();
    }
}

void PagesFile::write(std::string_view text) {
    // A file system may take the flag, and refuse such writes all the same: where its blocks are larger than a page.
    while (cache_ == PageCache::bypassed && !text.empty()) {
        const ssize_t written = ::write(fd_.get(), text.data(), text.size());
        if (written >= 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            cache_ = PageCache::used;
            (void)::fcntl(fd_.get(), F_SETFL, O_APPEND);
        }
    }
    sys::write_all(fd_.get(), text, path_.native());
    if (cache_ == PageCache::used) writeback_.wrote(fd_.get(), text.size());
}

void PagesFile::finish() {
    open();
    if (compression_.codec != Codec::none) {
        write_frames(pending_);
        std::string table;
        append_number(table, kSkippable);
        append_number(table, static_cast<std::uint32_t>(frames_.size() * sizeof(Frame) + kTableFooter));
        table += text_of(std::as_bytes(std::span(frames_)));
        append_number(table, static_cast<std::uint32_t>(frames_.size()));
        table += '\0';
        append_number(table, kSeekable);
        write(table);
        recorder_.add(table);
    }
    close();
}

std::uint64_t plain_size(const sys::Path& compressed) {
    std::uint64_t total = 0;
    for (const Frame& frame : read_table(sys::open_path(compressed, O_RDONLY).get(), compressed)) total += frame.plain;
    return total;
}

void decompress_file(const sys::Path& compressed, const sys::Path& plain, sys::Interrupts& interrupts) {
    const Codec codec = codec_of(compressed.filename());
    const sys::UniqueFd from = sys::open_path(compressed, O_RDONLY);
    const sys::UniqueFd to = sys::open_path(plain, O_WRONLY | O_CREAT | O_EXCL, kImageMode);
    const std::vector<Frame> frames = read_table(from.get(), compressed);
    std::uint64_t offset = 0;
    for (std::size_t begin = 0; begin < frames.size(); begin += kBatch) {
        interrupts.check();
        const std::span<const Frame> batch = std::span(frames).subspan(begin, std::min(kBatch, frames.size() - begin));
        std::vector<std::vector<std::byte>> memory(batch.size());
        std::vector<std::uint64_t> offsets;
        for (const Frame& frame : batch) {
            offsets.push_back(offset);
            offset += frame.compressed;
        }
        sys::in_parallel(batch.size(), [&](std::size_t first, std::size_t last) {
            for (std::size_t i = first; i < last; ++i) {
                std::vector<std::byte> bytes(batch[i].compressed);
                read_at(from.get(), offsets[i], bytes, compressed);
                memory[i].resize(batch[i].plain);
                decompress(codec, bytes, memory[i]);
            }
        });
        for (const std::vector<std::byte>& bytes : memory) sys::write_all(to.get(), text_of(bytes), plain.native());
    }
}

}  // namespace stasis::pages
