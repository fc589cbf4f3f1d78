#pragma once

#include <cstdint>
#include <map>
#include <string>

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

}  // namespace stasis
