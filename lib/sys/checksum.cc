#include "lib/sys/checksum.h"

#include <fcntl.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <future>
#include <memory>
#include <span>
#include <utility>

#include "lib/base/error.h"

namespace stasis::sys {
namespace {

std::string hexadecimal(XXH128_hash_t hash) {
    std::array<char, 33> text{};
    (void)std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                        static_cast<unsigned long long>(hash.low64));
    return text.data();
}

std::size_t size_of(int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 ? static_cast<std::size_t>(info.st_size) : 0;
}

std::size_t read_block(int fd, std::span<char> block, const std::string& name) {
    for (;;) {
        const ssize_t got = ::read(fd, block.data(), block.size());
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno != EINTR) throw system_error(errno, "read '" + name + "'");
    }
}

/// Of a large file the next block is read while one is summed up.
FileRecord record_of_file(int fd, const std::string& name) {
    constexpr std::size_t kBlock = 1 << 20;
    constexpr std::size_t kLarge = 4 * kBlock;
    const std::size_t size = size_of(fd) >= kLarge ? kLarge : kBlock;
    const auto blocks = std::make_unique_for_overwrite<char[]>(2 * size);
    std::span<char> current(blocks.get(), size);
    std::span<char> next(blocks.get() + size, size);
    Recorder recorder;
    for (std::size_t got = read_block(fd, current, name); got > 0;) {
        const auto policy = size == kLarge ? std::launch::async : std::launch::deferred;
        std::future<std::size_t> reading = std::async(policy, [&] { return read_block(fd, next, name); });
        recorder.add({current.data(), got});
        got = reading.get();
        std::swap(current, next);
    }
    return recorder.record();
}

FileRecord record_of_link(int directory, const std::string& name) {
    std::array<char, PATH_MAX> text;
    const ssize_t length = ::readlinkat(directory, name.c_str(), text.data(), text.size());
    if (length < 0) throw system_error(errno, "read the link '" + name + "'");
    const std::string_view target(text.data(), static_cast<std::size_t>(length));
    return {true, target.size(), checksum(target)};
}

void record_folder(int directory, const std::string& prefix, Interrupts& interrupts, const KnownRecord& known,
                   FileRecords& records) {
    interrupts.check();
    for (const std::string& name : list_directory("/proc/self/fd/" + std::to_string(directory))) {
        struct stat info {};
        if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
            throw system_error(errno, "look at '" + prefix + name + "'");
        if (S_ISDIR(info.st_mode)) {
            const UniqueFd inner = open_at(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            record_folder(inner.get(), prefix + name + "/", interrupts, known, records);
            continue;
        }
        std::optional<FileRecord> record;
        if (known && S_ISREG(info.st_mode)) record = known(prefix + name, info);
        if (!record) record = record_of(directory, name);
        if (record) records[prefix + name] = *record;
    }
}

}  // namespace

struct Recorder::State {
    std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> hash{XXH3_createState(), &XXH3_freeState};
};

Recorder::Recorder() : state_(std::make_unique<State>()) { (void)XXH3_128bits_reset(state_->hash.get()); }
Recorder::Recorder(Recorder&&) noexcept = default;
Recorder& Recorder::operator=(Recorder&&) noexcept = default;
Recorder::~Recorder() = default;

void Recorder::add(std::string_view text) {
    (void)XXH3_128bits_update(state_->hash.get(), text.data(), text.size());
    size_ += text.size();
}

FileRecord Recorder::record() const { return {false, size_, hexadecimal(XXH3_128bits_digest(state_->hash.get()))}; }

std::string checksum(std::string_view text) { return hexadecimal(XXH3_128bits(text.data(), text.size())); }

std::optional<FileRecord> record_of(int directory, const std::string& name) {
    struct stat info {};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
        throw system_error(errno, "look at '" + name + "'");
    if (S_ISLNK(info.st_mode)) return record_of_link(directory, name);
    if (!S_ISREG(info.st_mode)) return std::nullopt;
    return record_of_file(open_at(directory, name, O_RDONLY | O_NOFOLLOW).get(), name);
}

FileRecords record_tree(const Path& root, Interrupts& interrupts, const KnownRecord& known) {
    FileRecords records;
    const UniqueFd directory = open_path(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    record_folder(directory.get(), "", interrupts, known, records);
    return records;
}

}  // namespace stasis::sys
