#include "lib/ops/all_runs.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "lib/proc/memory.h"
#include "lib/sys/side_by_side.h"

namespace stasis::ops {
namespace {

/// More at once than processors only makes each one stand still for longer.
std::size_t default_jobs() {
    constexpr std::uint64_t kMemoryEach = 512 << 20;
    const std::uint64_t by_memory = proc::available_memory() / kMemoryEach;
    return static_cast<std::size_t>(
        std::clamp<std::uint64_t>(by_memory, 1, std::max(1U, std::thread::hardware_concurrency())));
}

/// The targets whose turn has come, and what becomes of them.
class Runs {
  public:
    Runs(Context& context, const AllRequest& request, std::vector<Planned>& planned, const std::string& doing)
        : context_(context), request_(request), doing_(doing) {
        for (Planned& one : planned)
            if (one.result.outcome == Outcome::untouched) waiting_.push_back(&one);
    }

    void run() {
        for (auto begin = waiting_.begin(); begin != waiting_.end() && go_on_ && !context_.interrupts.pending();) {
            const auto end =
                std::find_if(begin, waiting_.end(), [&](const Planned* one) { return one->rank != (*begin)->rank; });
            run_stage({begin, end});
            begin = end;
        }
        for (Planned* one : waiting_)
            if (one->result.outcome == Outcome::untouched)
                one->result.reason = go_on_ ? "the run was interrupted" : "'" + failed_ + "' failed before";
    }

  private:
    void run_stage(const std::vector<Planned*>& stage) {
        std::vector<sys::Command> commands;
        for (const Planned* one : stage) {
            sys::Command command;
            command.args = request_.command;
            command.args.insert(command.args.end(), one->arguments.begin(), one->arguments.end());
            commands.push_back(std::move(command));
        }
        sys::SideBySide how;
        how.jobs = request_.jobs > 0 ? request_.jobs : default_jobs();
        how.on_start = [&](std::size_t place) {
            context_.progress.step(
                fmt::format("{} {} ({} of {} done)", doing_, stage[place]->result.target, done_, waiting_.size()));
        };
        how.on_end = [&](std::size_t place, const sys::RunResult& ended) {
            note(stage[place]->result, ended);
            return go_on_;
        };
        sys::run_side_by_side(commands, how, context_.interrupts);
    }

    void note(TargetResult& result, const sys::RunResult& ended) {
        ++done_;
        if (ended.status.ok()) {
            result.outcome = Outcome::done;
            result.document = Json::parse(ended.out, nullptr, false);
            return;
        }
        result.outcome = Outcome::failed;
        result.error = request_.error_of(ended);
        if (request_.keep_going || !go_on_ || context_.interrupts.pending()) return;
        go_on_ = false;
        failed_ = result.target;
    }

    Context& context_;
    const AllRequest& request_;
    std::string doing_;
    std::vector<Planned*> waiting_;
    std::size_t done_ = 0;
    bool go_on_ = true;
    std::string failed_;
};

}  // namespace

std::vector<const runtime::Adapter*> chosen_adapters(const Context& context, const AllRequest& request) {
    std::vector<const runtime::Adapter*> adapters;
    for (const auto& adapter : context.adapters)
        if (adapter->list() && (request.runtime.empty() || adapter->name() == request.runtime))
            adapters.push_back(adapter.get());
    if (adapters.empty())
        throw Error(Kind::usage, "there is no runtime '" + request.runtime + "' that lists its containers")
            .hint("name the targets one by one");
    return adapters;
}

bool is_excluded(const AllRequest& request, const std::string& runtime, const std::string& container) {
    return std::any_of(request.excluded.begin(), request.excluded.end(),
                       [&](const std::string& text) { return names(text, runtime, container); });
}

std::vector<TargetResult> run_planned(Context& context, const AllRequest& request, std::vector<Planned> planned,
                                      const std::string& doing) {
    Runs(context, request, planned, doing).run();
    std::vector<TargetResult> results;
    for (Planned& one : planned) results.push_back(std::move(one.result));
    return results;
}

}  // namespace stasis::ops
