#include "lib/ops/host_check.h"

#include <limits>
#include <random>
#include <set>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/fs/survey.h"
#include "lib/inspect/look.h"
#include "lib/ops/draft.h"
#include "lib/ops/file_capture.h"
#include "lib/ops/fit.h"
#include "lib/proc/network.h"

namespace stasis::ops {
namespace {

using move::Frame;

/// For a move: the same on both hosts.
std::string new_id() {
    std::random_device random;
    return fmt::format("{:08x}{:08x}{:08x}", random(), random(), random());
}

/// What a target must be to be moved, beyond what a dump asks.
std::vector<HostCheck::Problem> find_unmovable(const Target& target, const Examination& found, const MoveFiles& files) {
    std::vector<HostCheck::Problem> problems;
    if (!target.adapter->restores())
        problems.push_back({"'" + target.text() + "' is no container", "only containers can be moved"});
    for (const proc::Stat& task : found.seen.tasks)
        if (task.state == 'T')
            problems.push_back(
                {fmt::format("pid {} ({}) is stopped by a signal, and would go on there", task.id.pid, task.command),
                 "let it go on, or end it"});
    if (files.shared && found.described.rootfs_by_runtime)
        problems.push_back(
            {"two hosts can't share the storage of " + target.runtime(), "move it without --shared-storage"});
    // A restore there would wait for those that are held here until it runs there.
    if (files.shared)
        for (const std::string& file : inspect::locked_files(found.described.init))
            problems.push_back({"it holds a lock on '" + file + "', which both hosts would have to hold for a moment",
                                "have it give up the lock, or move it without --shared-storage"});
    return problems;
}

/// What was put into a network namespace of the runtime's own making is not made again there.
void add_stranded(const Examination& found, HostCheck& check) {
    if (!found.described.lasting_network.empty() || found.described.makes_network) return;
    const std::set<std::string> devices = proc::network_devices(found.described.init.pid);
    if (!devices.empty())
        check.warnings.push_back(
            fmt::format("network devices that were put into it are not made again there, put them in anew: {}",
                        fmt::join(devices, ", ")));
}

}  // namespace

std::vector<runtime::BindMount> MoveFiles::folders_of(const runtime::Description& described) const {
    std::vector<runtime::BindMount> going = described.own_folders;
    for (const runtime::BindMount& volume : described.volumes)
        if (volumes && std::filesystem::is_directory(volume.source)) going.push_back(volume);
    return going;
}

move::Offer make_offer(const Target& target, const Examination& found, store::Manifest draft, const MoveFiles& files) {
    const timespec never{std::numeric_limits<time_t>::max(), 0};
    move::Offer offer;
    offer.set_id(new_id());
    offer.set_shared_storage(files.shared);
    draft.expected = record_expectations(target, found.described, !files.shared, files.volumes);
    for (const runtime::BindMount& volume : files.folders_of(found.described)) {
        std::erase_if(draft.expected.mounts, [&](const auto& mount) { return mount.source == volume.source; });
        move::Place& place = *offer.add_volumes();
        place.set_path(volume.source);
        place.set_bytes(fs::survey(volume.source, never).bytes);
    }
    offer.set_manifest(store::to_text(draft));
    for (const runtime::ExtraFile& file : found.described.runtime_files) {
        move::ExtraFile& sent = *offer.add_runtime_files();
        sent.set_name(file.name);
        sent.set_text(file.text);
    }
    offer.set_rootfs(found.described.rootfs);
    offer.set_rootfs_bytes(fs::survey(own_files(found.described), never).bytes);
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

void add_own_findings(const Target& target, const Examination& found, const MoveFiles& files, HostCheck& check) {
    const std::vector<HostCheck::Problem> own = find_unmovable(target, found, files);
    check.problems.insert(check.problems.begin(), own.begin(), own.end());
    add_stranded(found, check);
}

HostCheck check_other_host(Context& context, const std::string& name, const Examination& found,
                           const move::Destination& to, const MoveFiles& files) {
    const Target target = resolve(context, name);
    HostCheck check;
    try {
        if (found.no_criu) throw *found.no_criu;
        move::Link link(to, context.interrupts);
        store::Manifest draft = draft_manifest(target, found, target.adapter->version());
        draft.kind = "stop";
        draft.checkpoint = "stop-" + utc_stamp();
        move::Offer offer = make_offer(target, found, std::move(draft), files);
        offer.set_only_check(true);
        check = ask(link.channel(), std::move(offer), context.interrupts);
    } catch (const Error& error) {
        if (error.kind() == Kind::interrupted || error.kind() == Kind::usage) throw;
        std::string what = error.message();
        for (const std::string& line : error.details()) what += "; " + line;
        check.problems.push_back({what, error.hint()});
    }
    add_own_findings(target, found, files, check);
    return check;
}

}  // namespace stasis::ops
