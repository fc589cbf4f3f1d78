#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace stasis {

/// What the manifest keeps of one file of a checkpoint. For a symbolic link, size and checksum
/// are those of its text.
struct FileRecord {
    bool is_link = false;
    std::uint64_t size = 0;
    std::string checksum;  ///< xxh3-128 as 32 hexadecimal digits

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
