#include "lib/ops/examine.h"

#include <algorithm>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/criu/known_trouble.h"
#include "lib/criu/options.h"
#include "lib/criu/pigz.h"
#include "lib/fs/survey.h"
#include "lib/ops/earlier.h"
#include "lib/ops/file_capture.h"
#include "lib/ops/host.h"
#include "lib/ops/lost_mounts.h"
#include "lib/ops/network_lock.h"

namespace stasis::ops {
namespace {

/// What the images need beside the memory itself: tables, and the log.
constexpr std::uint64_t kImageOverhead = 16 << 20;

/// Where the checkpoint will lie: the folder itself, or the nearest one above that is there already.
Path folder_for(const Context& context, const Target& target, const Wishes& wishes) {
    Path folder = wishes.directory ? store::plain_location(*wishes.directory).folder
                                   : context.store.location(target.runtime(), target.container, "new").folder;
    folder = std::filesystem::absolute(folder);
    while (!std::filesystem::exists(folder)) folder = folder.parent_path();
    return folder;
}

/// What a copy of its root file system takes. An earlier checkpoint shares most of it.
std::uint64_t bytes_of_rootfs(const Context& context, const Target& target, const runtime::Description& described,
                              const Path& folder) {
    if (!std::filesystem::is_directory(described.rootfs)) return 0;
    const fs::RootfsPlan plan = plan_files(described, folder);
    if (plan.backend == fs::Backend::btrfs || Earlier(context, target).rootfs(plan)) return 0;
    return fs::survey(plan.source, {}).bytes;
}

/// What a checkpoint by these wishes takes.
std::uint64_t bytes_kept(const Context& context, const Target& target, const Examination& found, const Wishes& wishes,
                         const Path& folder) {
    std::uint64_t bytes = kImageOverhead + found.seen.tmpfs_bytes;
    if (wishes.keep_memory) bytes += found.seen.memory_bytes + found.seen.memory_bytes / 20;
    if (wishes.keep_rootfs) bytes += bytes_of_rootfs(context, target, found.described, folder);
    for (const runtime::BindMount& volume : kept_folders(found.described, wishes.keep_volumes))
        bytes += fs::survey(volume.source, {}).bytes;
    return bytes;
}

void find_full_store(std::uint64_t needed, const Path& folder, inspect::Blockers& found) {
    const std::uint64_t there = sys::free_bytes(folder);
    if (needed <= there) return;
    found.push_back({"space",
                     fmt::format("the checkpoint needs about {} MiB, and '{}' has {} MiB left", needed >> 20,
                                 folder.string(), there >> 20),
                     "free some space there, or name another store with --store or --dir"});
}

void find_store_inside(const runtime::Description& described, const Path& folder, inspect::Blockers& found) {
    if (described.rootfs.empty()) return;
    const Path relative = std::filesystem::weakly_canonical(folder).lexically_relative(
        std::filesystem::weakly_canonical(described.rootfs));
    if (relative.empty() || *relative.begin() == "..") return;
    found.push_back({"store-inside",
                     fmt::format("the checkpoint would lie inside the root file system that is being copied ('{}')",
                                 described.rootfs.string()),
                     "name another store with --store or --dir", false, true});
}

void find_known_trouble(const criu::Binary& criu, bool with_sockets, inspect::Blockers& found) {
    const std::string kernel = this_host().kernel;
    for (const criu::KnownTrouble& trouble : criu::known_trouble(criu.version, kernel, {with_sockets, false}))
        found.push_back({"criu-too-old",
                         fmt::format("CRIU {} on Linux {} {}", criu.version.text(), kernel, trouble.what),
                         "install a newer CRIU: scripts/setup does, beside the system's"});
}

/// A CRIU that is missing or does not work is one of the things that are in the way.
template <typename Step>
void note_failure(std::optional<Error>& failure, Step step) {
    try {
        step();
    } catch (const Error& error) {
        if (error.kind() != Kind::precondition) throw;
        failure = error;
    }
}

}  // namespace

Examination examine(Context& context, const Target& target, const Wishes& wishes) {
    Examination result;
    // CRIU tells its version while the target is looked at.
    std::optional<criu::BinaryQuery> query;
    note_failure(result.no_criu, [&] { query.emplace(criu::BinaryQuery::start()); });
    result.described = target.adapter->describe(target.container);
    OptionList given = result.described.options;
    given.insert(given.end(), wishes.criu_options.begin(), wishes.criu_options.end());
    const inspect::Surroundings surroundings{.has_nftables = has_nftables(),
                                             .has_pigz = criu::has_pigz(),
                                             .network_outlives_target = !result.described.lasting_network.empty(),
                                             .has_runtime = target.adapter->restores(),
                                             .keeps_running = wishes.keeps_running,
                                             .paused = result.described.paused,
                                             .given = std::move(given)};
    result.seen = inspect::look(result.described.init, surroundings, wishes.tcp, context.interrupts);
    if (query) note_failure(result.no_criu, [&] { result.criu = query->finish(context.interrupts); });

    inspect::Blockers& blockers = result.seen.blockers;
    if (wishes.drop_exec)
        std::erase_if(blockers, [](const inspect::Blocker& blocker) { return blocker.id == inspect::kExecId; });
    result.folder = folder_for(context, target, wishes);
    result.needed_bytes = bytes_kept(context, target, result, wishes, result.folder);
    find_full_store(result.needed_bytes, result.folder, blockers);
    if (wishes.keep_rootfs) find_store_inside(result.described, result.folder, blockers);
    if (!wishes.keeps_running && !wishes.leaves_host)
        warn_of_lost_mounts(result.described, wishes.keep_volumes, result.seen.warnings);
    if (result.criu) find_known_trouble(*result.criu, result.seen.has_network_sockets, blockers);
    if (result.no_criu) blockers.push_back({"no-criu", result.no_criu->message(), result.no_criu->hint()});

    result.options = result.seen.options;
    result.options.insert(result.options.end(), result.described.options.begin(), result.described.options.end());
    result.options = criu::override_options(std::move(result.options), wishes.criu_options);
    return result;
}

void refuse_blocked(const Target& target, const Examination& found, bool ignored) {
    std::vector<std::string> lines;
    for (const inspect::Blocker& blocker : found.seen.blockers)
        if (blocker.absolute || !ignored) lines.insert(lines.end(), {blocker.cause, "→ " + blocker.remedy});
    if (lines.empty()) return;
    throw Error(Kind::failed, "'" + target.text() + "' can't be dumped as it is; nothing was touched")
        .details(lines)
        .hint(fmt::format("put right what is listed, then try again; `stasis check {}` looks without dumping",
                          target.text()));
}

}  // namespace stasis::ops
