#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/fs/rootfs.h"
#include "lib/ops/context.h"
#include "lib/pages/parent.h"

namespace stasis::ops {

/// What a new checkpoint of a target shares with the ones before it.
class Earlier {
  public:
    /// Of the checkpoints that the target has now.
    Earlier(const Context& context, const Target& target);

    template <typename Part>
    struct Lent {
        std::string checkpoint;
        Part part;
    };
    /// The newest root file system that was kept in this way from the same place.
    std::optional<Lent<fs::Parent>> rootfs(const fs::RootfsPlan& plan) const;
    /// The memory of the newest checkpoint that has hashes of it; nothing where its chain is long enough, or
    /// keeps too much that is of no use any more. Throws Kind::damaged.
    std::optional<Lent<pages::Parent>> memory() const;

    /// The newest stop state.
    const store::Entry* stop() const;

    /// The folders of one of them.
    store::Folders folders(const store::Entry& entry) const;

  private:
    const store::Store& store_;
    std::vector<store::Entry> entries_;  ///< newest first
};

}  // namespace stasis::ops
