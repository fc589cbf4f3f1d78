#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

struct archive;
struct archive_entry;
struct archive_entry_linkresolver;

namespace stasis::sys {

/// A tar archive (pax), compressed with zstd, that is written in one go. Unless it is finished, the
/// destructor removes it.
class Archive {
  public:
    /// Creates `path` with mode 0600. Throws Kind::busy where it exists.
    explicit Archive(Path path);
    /// Writes to a stream, which errors call `name`.
    Archive(UniqueFd stream, std::string name);
    Archive(const Archive&) = delete;
    Archive& operator=(const Archive&) = delete;
    ~Archive();

    /// Adds a regular file for its owner alone; `name` is its path in the archive.
    void add(const std::string& name, std::string_view content);
    /// Adds a folder as `name` with all that is in it: owners, modes, times, ACLs, extended attributes, holes, hard
    /// links, devices. Sockets are left out, for which tar has no entry. Throws Kind::interrupted.
    void add_tree(const Path& folder, const std::string& name, Interrupts& interrupts);
    /// Writes the end and syncs.
    void finish();

  private:
    void require(int result) const;
    void write_content(archive* disk, archive_entry* entry);

    Path path_;
    bool is_file_ = true;
    UniqueFd fd_;
    std::unique_ptr<archive, int (*)(archive*)> archive_;
    std::unique_ptr<archive_entry_linkresolver, void (*)(archive_entry_linkresolver*)> links_;
    bool finished_ = false;
};

/// The content of a file that may be compressed (gzip, xz, zstd).
std::string read_decompressed(const Path& path);

}  // namespace stasis::sys
