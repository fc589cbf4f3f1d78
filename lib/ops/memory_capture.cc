#include "lib/ops/memory_capture.h"

#include <algorithm>

#include <fmt/format.h>

#include "lib/criu/criu.h"
#include "lib/criu/images.h"
#include "lib/ops/live_tasks.h"
#include "lib/proc/memory.h"

namespace stasis::ops {

void MemoryCapture::start(const MemoryPlan& plan, const Examination& found, const store::Folders& folders,
                          criu::rpc::Options& options, criu::Equipment& equipment) {
    images_ = folders.images();
    take(plan, found);
    if (!receiver_) return;
    options.mutable_ps()->set_fd(receiver_->socket());
    equipment.descriptors.push_back(receiver_->socket());
    if (!copies_ahead_) return;
    // What has not changed since before_freeze() copied it CRIU need not send.
    constexpr mode_t kSearchable = 0755;  // as the images
    const Path parent = images_ / pages::Chain::kFolder;
    sys::make_directory(parent, kSearchable);
    criu::write_parent_inventory(parent, proc::uptime());
    options.set_track_mem(true);
    options.set_parent_img(pages::Chain::kFolder);
}

/// Where the protocol of this CRIU is known and there is memory for it. A stop state is written while the target
/// stands still in any case: going through us pays where much of it need not be written.
void MemoryCapture::take(const MemoryPlan& plan, const Examination& found) {
    constexpr std::uint64_t kSpare = 64 << 20;  // it may grow meanwhile
    constexpr std::uint64_t kLeast = 1 << 20;   // less costs more time than it saves memory
    const std::optional<pages::Layout> layout = pages::layout_of(found.criu->version);
    const std::uint64_t expected = found.seen.memory_bytes;
    const std::uint64_t limit = plan.limit.value_or(proc::available_memory() / 2);
    const bool is_compressed = plan.compression.codec != pages::Codec::none;
    if (!layout || limit == 0) {
        if (is_compressed)
            context_.progress.warn(limit == 0 ? "without a buffer its memory is not compressed"
                                              : "its memory is not compressed: stasis does not know how CRIU " +
                                                    found.criu->version.text() + " hands it over");
        return;
    }
    pages::Savings savings{plan.parent(), plan.compression};
    if (!savings.parent && !is_compressed && !plan.runs_on) return;
    copies_ahead_ = can_copy_ahead(plan, found, limit);
    const std::uint64_t room = copies_ahead_ ? 2 * expected : expected + expected / 8;
    try {
        receiver_.emplace(images_, *layout, expected, std::max(kLeast, std::min(limit, room + kSpare)),
                          std::move(savings));
    } catch (const std::exception& error) {
        copies_ahead_ = false;
        context_.progress.warn(
            fmt::format("there is no memory to hold the target's ({}): it will stand still "
                        "until all is written",
                        error.what()));
    }
}

/// Does it pay, is there room, and can the kernel tell what changes meanwhile?
bool MemoryCapture::can_copy_ahead(const MemoryPlan& plan, const Examination& found, std::uint64_t limit) const {
    constexpr std::uint64_t kWorthIt = 64 << 20;  // less is sent in the time that a copy would spare
    const std::uint64_t memory = found.seen.memory_bytes;
    return plan.may_copy_ahead && memory >= kWorthIt && limit >= memory + memory / 2 &&
           criu::tracks_memory(*found.criu, context_.interrupts);
}

void MemoryCapture::leave_to_criu() {
    if (receiver_) receiver_->leave_to_criu();
}

void MemoryCapture::before_freeze(const proc::Identity& init) {
    if (receiver_) receiver_->wait_until_ready(context_.interrupts);
    if (!copies_ahead_) return;
    context_.progress.step("copying its memory ahead");
    ahead_bytes_ = receiver_->copy_ahead(live_tasks(init), context_.interrupts);
}

void MemoryCapture::finish() {
    if (receiver_) receiver_->finish();
}

void MemoryCapture::explain(Error& error) {
    if (receiver_) receiver_->explain(error);
}

void MemoryCapture::write() {
    if (!receiver_) return;
    context_.progress.step("writing its memory");
    receiver_->write(context_.interrupts);
    if (copies_ahead_) criu::remove_parent_inventory(images_ / pages::Chain::kFolder);
    buffer_bytes_ = receiver_->memory();
    records_ = receiver_->records();
    had_parent_ = receiver_->has_parent();
    receiver_.reset();
}

std::uint64_t MemoryCapture::shared_bytes() const {
    std::uint64_t total = 0;
    for (const auto& [path, record] : records_)
        if (Path(path).has_parent_path()) total += record.size;
    return total;
}

}  // namespace stasis::ops
