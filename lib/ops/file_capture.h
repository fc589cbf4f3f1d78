#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/fs/rootfs.h"
#include "lib/runtime/runtime.h"
#include "lib/store/manifest.h"

namespace stasis::ops {

/// How the root file system of a target is kept. `store`: where the checkpoint will lie.
fs::RootfsPlan plan_files(const runtime::Description& described, const sys::Path& store);

/// Where the files of a target's own lie that make its root file system: all of it, or what differs from its image,
/// where the runtime mounts it.
sys::Path own_files(const runtime::Description& described);

/// The folders of a target that are kept beside its root file system: what is its alone and, when asked, its volumes.
std::vector<runtime::BindMount> kept_folders(const runtime::Description& described, bool with_volumes);

/// Trees that are kept beside the memory: the root file system and, when asked, volumes.
class FileCapture {
  public:
    void add_rootfs(fs::RootfsPlan plan, const sys::Path& to, std::optional<fs::Parent> parent, int lock_fd);
    void add_volume(const store::Volume& volume, const sys::Path& folder, int lock_fd);
    /// Ends copying that is still going on.
    void stop();

    /// `written` are the files, seen from the target's root, that it may be writing to.
    void start_first_pass(const std::set<std::string>& written);
    void finish_first_pass(sys::Interrupts& interrupts);
    /// While the target stands still; `written` as above.
    void second_pass(const std::set<std::string>& written, sys::Interrupts& interrupts);

    /// Bytes that cost no space because an earlier checkpoint has them.
    std::uint64_t shared_bytes() const { return rootfs_ ? rootfs_->shared_bytes() : 0; }
    /// Everything that was kept, into the manifest.
    void describe(store::Manifest& manifest, sys::Interrupts& interrupts) const;

  private:
    std::optional<fs::RootfsCapture> rootfs_;
    std::vector<std::pair<store::Volume, fs::TreeCopy>> volumes_;
};

}  // namespace stasis::ops
