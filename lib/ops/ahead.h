#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "lib/move/channel.h"
#include "lib/ops/examine.h"
#include "lib/pages/parent.h"
#include "lib/pages/protocol.h"

namespace stasis::ops {

/// The memory of a container that is to be moved, copied to both hosts' stores while it runs: in rounds, each an
/// increment to the one before, as lib/pages makes them for checkpoints. What the freeze finds changed is another
/// one, and small. It needs nothing of the kernel, as every page is compared by its hash; the source has all that the
/// target has, so that its sealed state is whole.
class MemoryAhead {
  public:
    struct Round {
        std::uint64_t bytes = 0;  ///< sent
        long long took_us = 0;    ///< until the target had them on its disk
    };

    MemoryAhead(Context& context, move::Channel& channel, pages::Layout layout)
        : context_(context), channel_(channel), layout_(layout) {}

    /// Goes round until the container would stand still for no longer than `max_downtime`, as far as can be told, or
    /// another round is not worth it. `folder` is made, and must be on one file system with the images.
    void run(const Examination& found, const Path& folder, std::chrono::milliseconds max_downtime);

    /// What the dump is compared with; once.
    pages::Parent take_parent() { return std::move(*parent_); }

    const std::vector<Round>& rounds() const { return rounds_; }

  private:
    void say_round(std::chrono::milliseconds max_downtime) const;
    double change_per_us() const;
    double changed_us() const;
    double expected_us() const;
    bool is_enough(std::chrono::milliseconds max_downtime) const;

    Context& context_;
    move::Channel& channel_;
    pages::Layout layout_;
    std::optional<pages::Parent> parent_;
    std::vector<Round> rounds_;
    long long look_us_ = 0;  ///< how long the last round took to read and compare all memory
};

}  // namespace stasis::ops
