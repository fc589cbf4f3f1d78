#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace stasis {

/// Larger files have a checksum by pages, which all cores can work on.
constexpr std::uint64_t kLargeFile = 1 << 20;
constexpr std::string_view kByPages = "pages:";

/// What the manifest keeps of one file of a checkpoint. For a symbolic link, size and checksum
/// are those of its text.
struct FileRecord {
    bool is_link = false;
    std::uint64_t size = 0;
    /// xxh3-128 as 32 hexadecimal digits. Of a file of more than kLargeFile bytes: kByPages, and the checksum of the
    /// hashes of its pages, 16 bytes each, the least significant first. Format 1 has no such.
    std::string checksum;

    bool operator==(const FileRecord&) const = default;
};

/// Records by path, relative to the folder they describe, without a leading "/".
using FileRecords = std::map<std::string, FileRecord>;

/// Those whose path begins with a prefix, without it.
inline FileRecords records_below(const FileRecords& records, std::string_view prefix) {
    FileRecords below;
    for (auto record = records.lower_bound(std::string(prefix));
         record != records.end() && record->first.starts_with(prefix); ++record)
        below.emplace(record->first.substr(prefix.size()), record->second);
    return below;
}

}  // namespace stasis
