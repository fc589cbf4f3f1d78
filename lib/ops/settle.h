#pragma once

#include "lib/runtime/runtime.h"
#include "lib/sys/fd.h"

namespace stasis::ops {

/// How a target was before a dump, so that it can be put right again when CRIU dies in the middle.
class Settlement {
  public:
    /// To be made before the dump.
    explicit Settlement(const runtime::Description& target);

    /// To be called after a failure: thaws what CRIU left frozen and opens the network that it
    /// left locked; `log` is CRIU's log of this run, which names its firewall table.
    /// True when the target is as it was before.
    bool settle(const sys::Path& log) const;

  private:
    proc::Identity init_;
    bool was_paused_;
    sys::Path freezer_;
    sys::UniqueFd network_;  ///< outlives the target, as a namespace made by path does
};

/// Is the program `nft` there?
bool has_nftables();

}  // namespace stasis::ops
