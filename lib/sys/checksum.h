#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/file_record.h"
#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::sys {

/// xxh3-128, as 32 hexadecimal digits. It finds damage as surely as SHA-256 and reads memory some
/// ten times faster, and it runs while a target is frozen. It is no protection from a forger, but
/// who can write to a checkpoint is root.
std::string checksum(std::string_view text);

/// xxh3-128 of one page.
struct PageHash {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    bool operator==(const PageHash&) const = default;
};

/// What has a hash of its own, in bytes.
constexpr std::size_t kHashedPage = 4096;

/// The hash of each page of `bytes`, of which the last may be short.
std::vector<PageHash> hash_pages(std::span<const std::byte> bytes);

/// The record of a file, from its content as that comes.
class Recorder {
  public:
    Recorder();
    Recorder(Recorder&&) noexcept;
    Recorder& operator=(Recorder&&) noexcept;
    ~Recorder();

    void add(std::string_view text);
    /// Whole pages whose hashes are known; all before them were whole, too.
    void add_pages(std::string_view text, std::span<const PageHash> hashes);
    FileRecord record() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The record of one entry of `directory`, large files on all cores; nothing for what is neither a file nor a link.
/// Its checksum has the form of the one in `like`, for comparison with it. Never follows a link. Throws system_error.
std::optional<FileRecord> record_of(int directory, const std::string& name, const FileRecord* like = nullptr);

/// Asked for each regular file before it is read: a record that is known to be right already.
using KnownRecord = std::function<std::optional<FileRecord>(const std::string& path, const struct stat& info)>;

/// Records of all files and links below `root`, without crossing into a link; in the form of those in `like`.
FileRecords record_tree(const Path& root, Interrupts& interrupts, const KnownRecord& known = {},
                        const FileRecords& like = {});

}  // namespace stasis::sys
