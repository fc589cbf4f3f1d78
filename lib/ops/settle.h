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
    /// Where it is gone and a stop state of this run is `sealed`, its network stays locked, if that
    /// outlives it: an open network would reset the connections before they are restored.
    bool settle(const sys::Path& log, bool sealed) const;

    /// Does the target still live a moment after CRIU's end? Takes 200 ms.
    bool lives_on() const;

    /// A CRIU that died had thawed a paused target, to work on its tasks. Not before lives_on(), or it could not show
    /// that it does. Returns whether it ran meanwhile.
    bool pause_again() const;

  private:
    bool wait_until_settled() const;

    proc::Identity init_;
    bool was_paused_;
    sys::Path freezer_;
    sys::UniqueFd network_;  ///< outlives the target, as a namespace made by path does
};

}  // namespace stasis::ops
