#pragma once

#include <optional>
#include <set>
#include <string>

#include "lib/fs/tree_copy.h"

namespace stasis::fs {

/// How a root file system can be kept.
enum class Backend {
    none,     ///< not at all: the user takes care of it
    copy,     ///< rsync, in two passes
    overlay,  ///< the overlay's upper folder alone, in the same two passes
    upper,    ///< the same, of an overlay that the runtime mounts
    btrfs,    ///< a snapshot of the subvolume, taken while the target stands still
};

std::string to_string(Backend backend);
/// Reads what to_string wrote; throws Kind::damaged otherwise.
Backend backend_from(const std::string& name);

/// A root file system on this host and what there is of it to keep.
struct RootfsPlan {
    Backend backend = Backend::none;
    Path path;                  ///< where the container's root lies
    Path source;                ///< what is copied: `path`, or the overlay's upper folder
    std::string mount_options;  ///< of an overlay, enough to mount it again
};

/// Looks at what `rootfs` is and which backend fits. A btrfs subvolume can be snapshot only into
/// the same file system: `store` says where the checkpoint will lie.
RootfsPlan plan_rootfs(const Path& rootfs, const Path& store);

/// Keeps a root file system while its container goes on, stands still, and goes on again.
class RootfsCapture {
  public:
    RootfsCapture(RootfsPlan plan, Path to, std::optional<Parent> parent, int lock_fd);

    const RootfsPlan& plan() const { return plan_; }
    /// While the target runs; see TreeCopy.
    void start_first_pass(const std::set<std::string>& written);
    void finish_first_pass(sys::Interrupts& interrupts);
    /// While it stands still; see TreeCopy::second_pass.
    void second_pass(const std::set<std::string>& written, sys::Interrupts& interrupts);
    /// Checksums of everything kept, relative to the folder; may read it all (btrfs).
    FileRecords records(sys::Interrupts& interrupts) const;
    /// See TreeCopy::written; none of what is not copied.
    const std::set<std::string>& written() const { return copy_.written(); }
    /// Bytes that cost no space because the parent has them.
    std::uint64_t shared_bytes() const { return copy_.shared_bytes(); }

  private:
    bool is_copied() const { return plan_.backend != Backend::none && plan_.backend != Backend::btrfs; }

    RootfsPlan plan_;
    Path to_;
    TreeCopy copy_;
};

/// Puts a root file system back exactly as `kept` has it: what came later is deleted, what was
/// changed is replaced, compared by content. Mounts an overlay where it is missing, unless its runtime does. The
/// container must be dead. `lock_fd` is held until the files are back, should we die before; -1 for none.
void restore_rootfs(const RootfsPlan& plan, const Path& kept, int lock_fd, sys::Interrupts& interrupts);

}  // namespace stasis::fs
