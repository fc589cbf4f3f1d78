#include "lib/sys/checksum.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h>  // with AVX2 it takes half the time; must come after xxhash.h
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "lib/base/error.h"
#include "lib/sys/parallel.h"

namespace stasis::sys {
namespace {

std::string hexadecimal(XXH128_hash_t hash) {
    std::array<char, 33> text{};
    (void)std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                        static_cast<unsigned long long>(hash.low64));
    return text.data();
}

/// What stays in a core's own cache between its being read and its being hashed.
constexpr std::size_t kBlock = 256 << 10;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::size_t read_at(int fd, std::span<std::byte> block, std::uint64_t offset, const std::string& name) {
    for (;;) {
        const ssize_t got = ::pread(fd, block.data(), block.size(), static_cast<off_t>(offset));
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno != EINTR) throw system_error(errno, "read '" + name + "'");
    }
}

void read_whole(int fd, std::span<std::byte> block, std::uint64_t offset, const std::string& name) {
    while (!block.empty()) {
        const std::size_t got = read_at(fd, block, offset, name);
        if (got == 0) throw Error(Kind::failed, "'" + name + "' was cut short while it was read");
        block = block.subspan(got);
        offset += got;
    }
}

using HashState = std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)>;

HashState new_hash() {
    HashState hash{XXH3_createState(), &XXH3_freeState};
    (void)XXH3_128bits_reset(hash.get());
    return hash;
}

void update(const HashState& hash, std::span<const std::byte> bytes) {
    (void)XXH3_128bits_update(hash.get(), bytes.data(), bytes.size());
}

std::string digest(const HashState& hash) { return hexadecimal(XXH3_128bits_digest(hash.get())); }

FileRecord record_as_one(int fd, const std::string& name) {
    std::vector<std::byte> block(kBlock);
    const HashState hash = new_hash();
    std::uint64_t size = 0;
    while (const std::size_t got = read_at(fd, block, size, name)) {
        update(hash, std::span(block).first(got));
        size += got;
    }
    return {false, size, digest(hash)};
}

/// All cores read next to each other, as a disk likes it.
FileRecord record_by_pages(int fd, std::uint64_t size, const std::string& name) {
    constexpr std::uint64_t kStretch = 4 << 20;
    std::vector<PageHash> hashes((size + kHashedPage - 1) / kHashedPage);
    std::atomic<std::uint64_t> next = 0;
    in_parallel((size + kStretch - 1) / kStretch, [&](std::size_t, std::size_t) {
        std::vector<std::byte> block(kBlock);
        for (std::uint64_t begin = 0; (begin = next.fetch_add(kStretch)) < size;)
            for (std::uint64_t at = begin; at < std::min(begin + kStretch, size); at += kBlock) {
                const std::span<std::byte> wanted = std::span(block).first(std::min<std::uint64_t>(kBlock, size - at));
                read_whole(fd, wanted, at, name);
                std::ranges::copy(hash_pages(wanted), &hashes[at / kHashedPage]);
            }
    });
    const HashState hash = new_hash();
    update(hash, std::as_bytes(std::span(hashes)));
    return {false, size, std::string(kByPages) + digest(hash)};
}

FileRecord record_of_file(int fd, const std::string& name, const FileRecord* like) {
    struct stat info {};
    if (::fstat(fd, &info) < 0) throw system_error(errno, "look at '" + name + "'");
    const auto size = static_cast<std::uint64_t>(info.st_size);
    const bool by_pages = like != nullptr ? like->checksum.starts_with(kByPages) : size > kLargeFile;
    return by_pages ? record_by_pages(fd, size, name) : record_as_one(fd, name);
}

FileRecord record_of_link(int directory, const std::string& name) {
    std::array<char, PATH_MAX> text;
    const ssize_t length = ::readlinkat(directory, name.c_str(), text.data(), text.size());
    if (length < 0) throw system_error(errno, "read the link '" + name + "'");
    const std::string_view target(text.data(), static_cast<std::size_t>(length));
    return {true, target.size(), checksum(target)};
}

void record_folder(int directory, const std::string& prefix, Interrupts& interrupts, const KnownRecord& known,
                   const FileRecords& like, FileRecords& records) {
    interrupts.check();
    for (const std::string& name : list_directory(path_of(directory))) {
        struct stat info {};
        if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
            throw system_error(errno, "look at '" + prefix + name + "'");
        if (S_ISDIR(info.st_mode)) {
            const UniqueFd inner = open_at(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            record_folder(inner.get(), prefix + name + "/", interrupts, known, like, records);
            continue;
        }
        std::optional<FileRecord> record;
        if (known && S_ISREG(info.st_mode)) record = known(prefix + name, info);
        const auto wanted = like.find(prefix + name);
        if (!record) record = record_of(directory, name, wanted == like.end() ? nullptr : &wanted->second);
        if (record) records[prefix + name] = *record;
    }
}

}  // namespace

struct Recorder::State {
    std::uint64_t size = 0;           ///< without `rest`
    HashState whole = new_hash();     ///< of everything, as long as that is no large file
    HashState by_pages = new_hash();  ///< of the hashes of the pages
    std::string rest;                 ///< less than a page
};

Recorder::Recorder() : state_(std::make_unique<State>()) {}
Recorder::Recorder(Recorder&&) noexcept = default;
Recorder& Recorder::operator=(Recorder&&) noexcept = default;
Recorder::~Recorder() = default;

void Recorder::add(std::string_view text) {
    std::string& rest = state_->rest;
    if (!rest.empty()) {
        const std::string_view missing = text.substr(0, kHashedPage - rest.size());
        rest += missing;
        text.remove_prefix(missing.size());
        if (rest.size() < kHashedPage) return;
        add_pages(rest, hash_pages(bytes_of(rest)));
        rest.clear();
    }
    const std::string_view pages = text.substr(0, text.size() / kHashedPage * kHashedPage);
    add_pages(pages, hash_pages(bytes_of(pages)));
    rest = text.substr(pages.size());
}

void Recorder::add_pages(std::string_view text, std::span<const PageHash> hashes) {
    if (state_->size <= kLargeFile) update(state_->whole, bytes_of(text));
    update(state_->by_pages, std::as_bytes(hashes));
    state_->size += text.size();
}

FileRecord Recorder::record() const {
    const std::span<const std::byte> rest = bytes_of(state_->rest);
    const std::uint64_t size = state_->size + rest.size();
    const HashState hash = new_hash();
    XXH3_copyState(hash.get(), size > kLargeFile ? state_->by_pages.get() : state_->whole.get());
    if (size <= kLargeFile) {
        update(hash, rest);
        return {false, size, digest(hash)};
    }
    const std::vector<PageHash> last = hash_pages(rest);
    update(hash, std::as_bytes(std::span(last)));
    return {false, size, std::string(kByPages) + digest(hash)};
}

std::string checksum(std::string_view text) { return hexadecimal(XXH3_128bits(text.data(), text.size())); }

std::vector<PageHash> hash_pages(std::span<const std::byte> bytes) {
    std::vector<PageHash> hashes((bytes.size() + kHashedPage - 1) / kHashedPage);
    for (PageHash& hash : hashes) {
        const std::span<const std::byte> page = bytes.first(std::min(kHashedPage, bytes.size()));
        const XXH128_hash_t found = XXH3_128bits(page.data(), page.size());
        hash = {found.low64, found.high64};
        bytes = bytes.subspan(page.size());
    }
    return hashes;
}

std::optional<FileRecord> record_of(int directory, const std::string& name, const FileRecord* like) {
    struct stat info {};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
        throw system_error(errno, "look at '" + name + "'");
    if (S_ISLNK(info.st_mode)) return record_of_link(directory, name);
    if (!S_ISREG(info.st_mode)) return std::nullopt;
    return record_of_file(open_at(directory, name, O_RDONLY | O_NOFOLLOW).get(), name, like);
}

FileRecords record_tree(const Path& root, Interrupts& interrupts, const KnownRecord& known, const FileRecords& like) {
    FileRecords records;
    const UniqueFd directory = open_path(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    record_folder(directory.get(), "", interrupts, known, like, records);
    return records;
}

}  // namespace stasis::sys
