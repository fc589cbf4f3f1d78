#include "lib/ops/lazy_load.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include <fmt/format.h>

#include "lib/criu/log.h"
#include "lib/pages/lazy.h"
#include "lib/sys/socket.h"

namespace stasis::ops {
namespace {

sys::Child start_server(const Path& images, const criu::Version& criu, const sys::UniqueFd& socket) {
    sys::Command command;
    command.args = {"/proc/self/exe", "serve-pages", criu.text(), images};
    command.in = socket.get();
    command.own_session = true;
    command.blocked_signals = {SIGINT, SIGTERM, SIGHUP};  // it must go on when we are ended
    return sys::Child::start(command);
}

}  // namespace

PageServer PageServer::start(const Path& images, const criu::Version& criu) {
    auto [ours, theirs] = sys::socket_pair();
    return {std::move(ours), start_server(images, criu, theirs)};
}

LazyLoad::LazyLoad(const criu::Binary& criu, const runtime::RestorePlan& plan, PageServer server, int lock_fd)
    : total_(std::max<std::uint64_t>(pages::lazy_bytes(plan.images), 1)),
      server_(std::move(server.child)),
      pages_(criu, plan.images, plan.logs, plan.log_name + ".lazy", {lock_fd}, server.socket.get()) {
    orphans_.emplace();
    pages_.supervise([this] {
        lost_ = true;
        orphans_->kill_all();
    });
}

LazyLoad::~LazyLoad() {
    if (!finished_) orphans_->end_all();
}

void LazyLoad::finish(Context& context) {
    constexpr auto kBetweenLooks = std::chrono::milliseconds(200);
    bool said = false;
    std::optional<sys::WaitStatus> ended;
    for (;;) {
        ended = pages_.wait(kBetweenLooks);
        if (ended) break;
        context.progress.step(fmt::format("it runs, its memory follows: {} %",
                                          std::min<std::uint64_t>(bytes_brought() * 100 / total_, 100)));
        if (said || !context.interrupts.pending()) continue;
        context.progress.warn(
            "the target runs and can't be left without the rest of its memory: going on until all is in");
        said = true;
    }
    finished_ = ended->ok();
    if (finished_) return;
    orphans_->end_all();
    Error error(Kind::target_changed, "the rest of the target's memory can't be brought, so it was killed");
    explain_end(error, *ended);
    throw error;
}

std::uint64_t LazyLoad::bytes_brought() const { return proc::bytes_read(server_ ? server_->pid() : pages_.pid()); }

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
