#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

struct archive;
struct archive_entry;

namespace stasis::sys {

/// Reads a tar archive, as class Archive writes it, or one that is compressed by gzip or not at all, from beginning to
/// end. Nothing in it is trusted. Throws Kind::damaged for what is no such archive, or ends too early.
class Unpacker {
  public:
    /// Errors call the stream `name`.
    Unpacker(UniqueFd stream, std::string name);

    /// The content of the next entry, which must be a file of this name. Never more than 512 MiB.
    std::string read_file(const std::string& name);
    /// The same of the next file of this name, wherever it is; nothing where there is none before an entry `end`. What
    /// comes before it is skipped. Throws Kind::interrupted.
    std::optional<std::string> find_file(const std::string& name, const std::string& end, Interrupts& interrupts);

    /// Unpacks all the rest into `folder`, with owners, modes, times, ACLs and extended attributes. Each name must
    /// begin with one of the folders or files `allowed`; an empty list allows all. Throws Kind::damaged for one that
    /// leads elsewhere, also by a link, Kind::interrupted, or Kind::failed where the disk is full.
    void unpack(const Path& folder, const std::vector<std::string>& allowed, Interrupts& interrupts);

  private:
    /// The next entry, which lives until the next call; nothing at the end.
    archive_entry* next();
    std::string read_content(const std::string& name);
    [[noreturn]] void refuse(const std::string& problem) const;

    std::string name_;
    UniqueFd fd_;
    std::unique_ptr<archive, int (*)(archive*)> archive_;
};

}  // namespace stasis::sys
