#pragma once

#include <optional>
#include <span>
#include <vector>

#include "lib/base/file_record.h"
#include "lib/pages/chain.h"
#include "lib/pages/pages_file.h"
#include "lib/sys/file.h"

namespace stasis::pages {

/// The memory of an earlier checkpoint: pages that are the same need not be written again.
///
/// The folder Chain::kFolder below the new images holds hard links to the earlier ones, so that every checkpoint is
/// whole by itself, whatever becomes of the others.
class Parent {
  public:
    /// The images of a sealed checkpoint, with its records of them (paths relative to `images`). Nothing where they
    /// can't be used: pages that CRIU wrote itself have no hashes, and a chain of kMostInChain is long enough, for a
    /// restore goes through all of it. Throws Kind::damaged where they are not as recorded, of pages only their number.
    static std::optional<Parent> load(const sys::Path& images, const FileRecords& records);

    /// The hashes of the pages that follow each other from this address on; empty where there is none at it.
    std::span<const Hash> from(const ImageId& id, std::uint64_t address) const;

    /// Is at least half of what it keeps on the disk still of use? A checkpoint keeps all of its parent.
    bool is_worth_it() const;

    /// Creates the folder `parent` below new images. Throws system_error where the file system has no room, or no
    /// hard links.
    void link_into(const sys::Path& images) const;

    /// What link_into() made, relative to the new images.
    FileRecords records() const;

    static constexpr std::size_t kMostInChain = 10;

  private:
    Parent(sys::Path images, FileRecords records);

    sys::Path images_;
    FileRecords records_;  ///< of files with memory
    Chain chain_;
    std::vector<std::vector<Hash>> hashes_;  ///< of the pages in each of its files
};

}  // namespace stasis::pages
