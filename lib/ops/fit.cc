#include "lib/ops/fit.h"

#include <unistd.h>

#include <algorithm>
#include <future>
#include <set>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/inspect/expectations.h"
#include "lib/ops/fit_network.h"
#include "lib/proc/mount.h"

namespace stasis::ops {
namespace {

/// What was written since is a warning for each file; an upgrade of the system can make hundreds.
constexpr std::size_t kMostWarnings = 10;

/// A volume is kept where its checkpoint has room for a folder.
bool is_kept(const runtime::BindMount& volume, bool with_volumes) {
    return with_volumes && std::filesystem::is_directory(volume.source);
}

/// The tasks of a target that runs; they are killed before its restore. `processes` is what its pids are compared
/// with, the same list: what the target starts meanwhile is no stranger to itself.
std::vector<proc::Stat> running_tasks(const Target& target, const std::vector<proc::Stat>& processes) {
    const runtime::Status status = target.adapter->status(target.container);
    if (status != runtime::Status::running && status != runtime::Status::paused) return {};
    try {
        return proc::tree_of(target.adapter->describe(target.container).init.pid, processes);
    } catch (const Error&) {
        return {};  // ended by now, or not what the checkpoint was made of
    }
}

void compare_target(const Target& target, const store::Manifest& manifest, Fit& fit) {
    // Its files belong to that one, which may run.
    if (manifest.target() != target.text())
        fit.misfits.push_back(
            {MisfitKind::target, "it is a checkpoint of '" + manifest.target() + "'", "name that one"});
    for (const std::string& folder : {manifest.rootfs.path, manifest.rootfs.source})
        if (!folder.empty() && std::filesystem::is_symlink(std::filesystem::symlink_status(folder))) {
            fit.misfits.push_back({MisfitKind::target,
                                   "'" + folder + "', where its files belong, is a symbolic link now",
                                   "put the folder back"});
            break;
        }
}

void compare_files(const std::vector<ExpectedFile>& files, Fit& fit) {
    Fit of_files;
    for (const ExpectedFile& file : files) compare_file(file, inspect::look_at_file(file.path), of_files);
    fit.misfits.insert(fit.misfits.end(), of_files.misfits.begin(), of_files.misfits.end());
    std::vector<std::string>& warnings = of_files.warnings;
    if (warnings.size() > kMostWarnings) {
        const std::size_t more = warnings.size() - kMostWarnings;
        warnings.resize(kMostWarnings);
        warnings.push_back(fmt::format("{} more files were written since", more));
    }
    fit.warnings.insert(fit.warnings.end(), warnings.begin(), warnings.end());
}

/// A volume that the checkpoint holds is made again where it is missing.
std::vector<ExpectedMount> needed_mounts(const store::Manifest& manifest) {
    std::vector<ExpectedMount> needed = manifest.expected.mounts;
    std::erase_if(needed, [&](const ExpectedMount& mount) {
        return !std::filesystem::exists(std::filesystem::symlink_status(mount.source)) &&
               std::any_of(manifest.volumes.begin(), manifest.volumes.end(),
                           [&](const store::Volume& volume) { return volume.source == mount.source; });
    });
    return needed;
}

/// Without it the files at `path` would not be there.
const proc::Mount& needed_for(const Path& path, const std::vector<proc::Mount>& mounts) {
    const proc::Mount* mount = &proc::mount_of(path, mounts);
    while (const proc::Mount* below = proc::repeated_by(*mount, mounts)) mount = below;
    return *mount;
}

}  // namespace

std::vector<std::string> mount_points_below(const store::Manifest& manifest) {
    const std::vector<proc::Mount> mounts = proc::mounts(::getpid());
    std::set<std::string> found;
    if (!manifest.rootfs.source.empty()) found.insert(needed_for(manifest.rootfs.source, mounts).mount_point);
    for (const ExpectedMount& mount : manifest.expected.mounts)
        found.insert(needed_for(mount.source, mounts).mount_point);
    found.erase("/");
    return {found.begin(), found.end()};
}

Expectations record_expectations(const Target& target, const runtime::Description& described, bool keep_rootfs,
                                 bool with_volumes) {
    inspect::Scope scope;
    const bool has_rootfs = !described.rootfs.empty();
    if (!has_rootfs) scope.places.push_back({"/", "/"});
    // What its runtime mounts is not there before the restore.
    if (has_rootfs && !keep_rootfs && !described.rootfs_by_runtime) scope.places.push_back({"/", described.rootfs});
    for (const runtime::BindMount& volume : described.volumes)
        if (!is_kept(volume, with_volumes)) scope.places.push_back({volume.destination, volume.source});
    scope.same_pids = target.adapter->restores_to_same_pids(described.details);
    scope.lasting_network = !described.lasting_network.empty();
    scope.own_cgroups = has_rootfs;

    Expectations expected = inspect::record_expectations(described.init, scope);
    for (const runtime::BindMount& volume : described.volumes)
        expected.mounts.push_back({volume.source, volume.destination, std::filesystem::is_directory(volume.source)});
    return expected;
}

Fit fit(const Target& target, const store::Manifest& manifest, const runtime::RestorePlan& plan,
        const criu::Version& criu) {
    Fit result;
    const Expectations& expected = manifest.expected;
    const std::vector<proc::Stat> processes = proc::all_processes();
    // Each run of a runtime's program takes as long as all of the rest.
    std::future<std::string> runtime_version;
    if (!manifest.runtime_version.empty())
        runtime_version = std::async(std::launch::async, [adapter = target.adapter] { return adapter->version(); });
    std::vector<proc::Stat> replaced;
    if (!expected.pids.empty() || !expected.listeners.empty()) replaced = running_tasks(target, processes);
    compare_target(target, manifest, result);
    compare_hosts(manifest, this_host(), criu, result);
    for (std::string& obstacle : target.adapter->obstacles(plan))
        result.misfits.push_back({MisfitKind::runtime, std::move(obstacle), ""});
    compare_cgroups(expected.cgroups, inspect::available_cgroups(), result);
    compare_profiles(expected.profiles, inspect::loaded_profiles(), result);
    compare_clocks(manifest.created, utc_now(), result);
    compare_mounts(needed_mounts(manifest), result);
    // After these, so that what an automounter mounts is there. Another host may have the same on other disks.
    if (manifest.host_name == this_host().name)
        compare_mount_points(expected.mount_points, proc::mounts(::getpid()), result);
    compare_files(expected.files, result);
    compare_pids(expected.pids, processes, replaced, result);
    compare_network(expected, manifest.lasting_network, replaced, result);
    if (runtime_version.valid()) compare_runtimes(manifest.runtime_version, runtime_version.get(), result);
    return result;
}

}  // namespace stasis::ops
