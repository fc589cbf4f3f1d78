#include "lib/ops/lazy_load.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "lib/criu/log.h"

namespace stasis::ops {
namespace {

/// The files with pages that CRIU's images have.
std::uint64_t bytes_of_pages(const Path& images) {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(images))
        if (entry.path().filename().native().starts_with("pages-")) bytes += entry.file_size();
    return bytes;
}

}  // namespace

LazyLoad::LazyLoad(const criu::Binary& criu, const runtime::RestorePlan& plan, int lock_fd)
    : images_(plan.images), pages_(criu, plan.images, plan.logs, plan.log_name + ".lazy", {lock_fd}) {
    pages_.supervise([this] {
        lost_ = true;
        orphans_.kill_all();
    });
}

LazyLoad::~LazyLoad() {
    if (!finished_) orphans_.end_all();
}

void LazyLoad::finish(Context& context) {
    constexpr auto kBetweenLooks = std::chrono::milliseconds(200);
    const std::uint64_t total = std::max<std::uint64_t>(bytes_of_pages(images_), 1);
    bool said = false;
    std::optional<sys::WaitStatus> ended;
    for (;;) {
        ended = pages_.wait(kBetweenLooks);
        if (ended) break;
        context.progress.step(fmt::format("it runs, its memory follows: {} %",
                                          std::min<std::uint64_t>(pages_.bytes_read() * 100 / total, 100)));
        if (said || !context.interrupts.pending()) continue;
        context.progress.warn(
            "the target runs and can't be left without the rest of its memory: going on until all is in");
        said = true;
    }
    finished_ = ended->ok();
    if (finished_) return;
    orphans_.end_all();
    Error error(Kind::target_changed, "the rest of the target's memory can't be brought, so it was killed");
    explain_end(error, *ended);
    throw error;
}

void LazyLoad::explain(Error& error) {
    constexpr auto kKillingTime = std::chrono::seconds(10);
    if (!lost_) return;
    const std::optional<sys::WaitStatus> ended = pages_.wait(kKillingTime);
    if (ended) explain_end(error.details({}).kind(Kind::target_changed), *ended);
}

void LazyLoad::explain_end(Error& error, const sys::WaitStatus& ended) const {
    error.log(pages_.log());
    if (!ended.signal) criu::explain(error, pages_.log());
    error.cause("`criu lazy-pages`, which brings the memory, ended with " + ended.describe())
        .hint("restore it again, without --lazy");
}

}  // namespace stasis::ops
