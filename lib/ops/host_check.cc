#include "lib/ops/host_check.h"

#include <limits>
#include <random>
#include <set>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/fs/survey.h"
#include "lib/ops/draft.h"
#include "lib/ops/fit.h"
#include "lib/proc/network.h"

namespace stasis::ops {
namespace {

using move::Frame;

/// What a target must be to be moved, beyond what a dump asks.
std::vector<HostCheck::Problem> find_unmovable(const Target& target, const Examination& found) {
    std::vector<HostCheck::Problem> problems;
    if (!target.adapter->restores())
        problems.push_back({"'" + target.text() + "' is no container", "only containers can be moved"});
    for (const proc::Stat& task : found.seen.tasks)
        if (task.state == 'T')
            problems.push_back(
                {fmt::format("pid {} ({}) is stopped by a signal, and would go on there", task.id.pid, task.command),
                 "let it go on, or end it"});
    return problems;
}

/// What was put into a network namespace of the runtime's own making is not made again there.
void add_stranded(const Examination& found, HostCheck& check) {
    if (!found.described.lasting_network.empty()) return;
    const std::set<std::string> devices = proc::network_devices(found.described.init.pid);
    if (!devices.empty())
        check.warnings.push_back(
            fmt::format("network devices that were put into it are not made again there, put them in anew: {}",
                        fmt::join(devices, ", ")));
}

}  // namespace

std::string new_id() {
    std::random_device random;
    return fmt::format("{:08x}{:08x}{:08x}", random(), random(), random());
}

move::Offer make_offer(const std::string& id, const Examination& found, const store::Manifest& draft) {
    const timespec never{std::numeric_limits<time_t>::max(), 0};
    move::Offer offer;
    offer.set_id(id);
    offer.set_manifest(store::to_text(draft));
    for (const runtime::ExtraFile& file : found.described.runtime_files) {
        move::ExtraFile& sent = *offer.add_runtime_files();
        sent.set_name(file.name);
        sent.set_text(file.text);
    }
    offer.set_rootfs(found.described.rootfs);
    offer.set_rootfs_bytes(fs::survey(found.described.rootfs, never).bytes);
    offer.set_memory_bytes(found.seen.memory_bytes);
    return offer;
}

HostCheck ask(move::Channel& channel, move::Offer offer, sys::Interrupts& interrupts) {
    Frame frame;
    *frame.mutable_offer() = std::move(offer);
    channel.send(frame, interrupts);
    const Frame answer = channel.expect(Frame::kVerdict, interrupts);
    const move::Verdict& verdict = answer.verdict();
    HostCheck check{move::printable(verdict.stasis()), move::printable(verdict.criu()), {}, {}};
    for (const auto& problem : verdict.problems())
        check.problems.push_back({move::printable(problem.what()), move::printable(problem.remedy())});
    for (const std::string& warning : verdict.warnings()) check.warnings.push_back(move::printable(warning));
    return check;
}

void add_own_findings(const Target& target, const Examination& found, HostCheck& check) {
    const std::vector<HostCheck::Problem> own = find_unmovable(target, found);
    check.problems.insert(check.problems.begin(), own.begin(), own.end());
    add_stranded(found, check);
}

HostCheck check_other_host(Context& context, const std::string& name, const Examination& found,
                           const move::Destination& to) {
    const Target target = resolve(context, name);
    HostCheck check;
    try {
        if (found.no_criu) throw *found.no_criu;
        move::Link link(to, context.interrupts);
        store::Manifest draft = draft_manifest(target, found, target.adapter->version());
        draft.kind = "stop";
        draft.checkpoint = "stop-" + utc_stamp();
        draft.expected = record_expectations(target, found.described, true, false);
        move::Offer offer = make_offer(new_id(), found, draft);
        offer.set_only_check(true);
        check = ask(link.channel(), std::move(offer), context.interrupts);
    } catch (const Error& error) {
        if (error.kind() == Kind::interrupted || error.kind() == Kind::usage) throw;
        std::string what = error.message();
        for (const std::string& line : error.details()) what += "; " + line;
        check.problems.push_back({what, error.hint()});
    }
    add_own_findings(target, found, check);
    return check;
}

}  // namespace stasis::ops
