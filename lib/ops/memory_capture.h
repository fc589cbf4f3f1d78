#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "lib/criu/options.h"
#include "lib/criu/swrk.h"
#include "lib/ops/context.h"
#include "lib/ops/examine.h"
#include "lib/pages/receiver.h"
#include "lib/store/checkpoint.h"

namespace stasis::ops {

/// How the memory of a target is to be kept.
struct MemoryPlan {
    std::optional<std::uint64_t> limit;  ///< bytes held at most; 0: CRIU writes it all; by default half of what is free
    pages::Compression compression;
    bool runs_on = false;         ///< the target runs while it is written
    bool may_copy_ahead = false;  ///< before the freeze, where the kernel tells what changes after that
    /// What it is compared with, if there is anything; asked only where it will be.
    std::function<std::optional<pages::Parent>()> parent;
};

/// The memory of a target on its way from CRIU into a checkpoint. Where that does not pay, or can't be, CRIU writes it
/// itself: then only start() does anything.
///
/// In this order: start(), leave_to_criu(), before_freeze(), finish(), write(); stop() at any time.
class MemoryCapture {
  public:
    explicit MemoryCapture(Context& context) : context_(context) {}

    /// Tells CRIU where to send it. Throws what Interrupts::check() throws.
    void start(const MemoryPlan& plan, const Examination& found, const store::Folders& folders,
               criu::rpc::Options& options, criu::Equipment& equipment);
    /// CRIU has its end.
    void leave_to_criu();
    /// For `pre-dump`: waits until it can be taken, and copies ahead. Throws what Interrupts::check() throws.
    void before_freeze(const proc::Identity& init);
    /// For `post-dump`: CRIU has sent all. Throws Kind::failed.
    void finish();
    /// CRIU failed: where that was because we did, says so in its error.
    void explain(Error& error);
    /// Writes what was taken.
    void write();
    /// Ends what is going on, so that nobody writes any more.
    void stop() { receiver_.reset(); }

    /// Is it compared with a parent; after write(): does that have any of it?
    bool has_parent() const { return receiver_ ? receiver_->has_parent() : had_parent_; }
    /// What is known of the images without reading them; after write().
    const FileRecords& records() const { return records_; }
    /// What the images share with the parent's, in bytes; after write().
    std::uint64_t shared_bytes() const;
    /// Memory that was taken to hold the target's, in bytes; after write().
    std::uint64_t buffer_bytes() const { return buffer_bytes_; }
    /// How much was copied before the freeze, in bytes.
    std::uint64_t ahead_bytes() const { return ahead_bytes_; }

  private:
    bool can_copy_ahead(const MemoryPlan& plan, const Examination& found, std::uint64_t limit) const;
    void take(const MemoryPlan& plan, const Examination& found);

    Context& context_;
    Path images_;
    std::optional<pages::Receiver> receiver_;
    bool copies_ahead_ = false;
    bool had_parent_ = false;
    FileRecords records_;
    std::uint64_t ahead_bytes_ = 0;
    std::uint64_t buffer_bytes_ = 0;
};

}  // namespace stasis::ops
