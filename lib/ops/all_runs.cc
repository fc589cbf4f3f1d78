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

/// Half of it is for all that run at once, as it is for a dump by itself.
std::uint64_t share_of_memory(std::size_t jobs, std::size_t targets) {
    return proc::available_memory() / 2 / std::min(jobs, targets);
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
        const std::size_t jobs = request_.jobs > 0 ? request_.jobs : default_jobs();
        std::vector<std::string> limits;
        if (!request_.memory_option.empty())
            limits.push_back(fmt::format("{}={}", request_.memory_option, share_of_memory(jobs, stage.size())));
        std::vector<sys::Command> commands;
        for (const Planned* one : stage) {
            sys::Command command;
            command.args = request_.command;
            command.args.insert(command.args.end(), limits.begin(), limits.end());
            command.args.insert(command.args.end(), one->arguments.begin(), one->arguments.end());
            commands.push_back(std::move(command));
        }
        sys::SideBySide how;
        how.jobs = jobs;
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
    const auto is_among = [&](const std::vector<std::string>& texts) {
        return std::any_of(texts.begin(), texts.end(),
                           [&](const std::string& text) { return names(text, runtime, container); });
    };
    return is_among(request.excluded) || (!request.only.empty() && !is_among(request.only));
}

void require_all_found(const AllRequest& request, const std::vector<Planned>& found) {
    for (const std::string& text : request.only)
        if (std::none_of(found.begin(), found.end(), [&](const Planned& one) {
                return one.result.target == text || one.result.target.ends_with(":" + text);
            }))
            throw Error(Kind::not_found, "'" + text + "' is not among them").hint("see `stasis list --all`");
}

std::vector<TargetResult> run_planned(Context& context, const AllRequest& request, std::vector<Planned> planned,
                                      const std::string& doing) {
    Runs(context, request, planned, doing).run();
    std::vector<TargetResult> results;
    for (Planned& one : planned) results.push_back(std::move(one.result));
    return results;
}

}  // namespace stasis::ops
