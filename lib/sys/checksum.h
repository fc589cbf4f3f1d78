#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/file_record.h"
#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::sys {

/// xxh3-128, as 32 hexadecimal digits. It finds damage as surely as SHA-256 and reads memory some
/// ten times faster, and it runs while a target is frozen. It is no protection from a forger, but
/// who can write to a checkpoint is root.
std::string checksum(std::string_view text);

/// The record of a file, from its content as that comes.
class Recorder {
  public:
    Recorder();
    Recorder(Recorder&&) noexcept;
    Recorder& operator=(Recorder&&) noexcept;
    ~Recorder();

    void add(std::string_view text);
    FileRecord record() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
    std::uint64_t size_ = 0;
};

/// The record of one entry of `directory`; nothing for what is neither a file nor a link.
/// Never follows a link. Throws system_error.
std::optional<FileRecord> record_of(int directory, const std::string& name);

/// Asked for each regular file before it is read: a record that is known to be right already.
using KnownRecord = std::function<std::optional<FileRecord>(const std::string& path, const struct stat& info)>;

/// Records of all files and links below `root`, without crossing into a link.
FileRecords record_tree(const Path& root, Interrupts& interrupts, const KnownRecord& known = {});

}  // namespace stasis::sys
