#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/base/expectations.h"
#include "lib/criu/version.h"
#include "lib/ops/host.h"
#include "lib/proc/process.h"
#include "lib/store/manifest.h"

namespace stasis::ops {

/// What in a checkpoint and a host can be at odds.
enum class MisfitKind { target, architecture, runtime, criu, cpu, cgroups, lsm, mounts, files, pids, addresses, moved };

/// The name by which `restore --ignore-misfit` knows a kind.
std::string to_string(MisfitKind kind);

/// The names of the kinds that may be ignored: all but those without which nothing can work.
std::vector<std::string> ignorable_misfits();

/// Something because of which a restore would fail, or what it restores would.
struct Misfit {
    MisfitKind kind;
    std::string what;    ///< with what it was and what it is
    std::string remedy;  ///< empty where `what` says it
};

/// How a checkpoint and a host go together.
struct Fit {
    std::vector<Misfit> misfits;
    std::vector<std::string> warnings;  ///< it should work, but may surprise
};

/// Architecture, CRIU, processor and kernel. A newer kernel or CRIU restores what an older one dumped.
void compare_hosts(const store::Manifest& manifest, const Host& here, const criu::Version& criu, Fit& fit);

/// A host whose time of day is before that of the checkpoint (both as utc_now() writes them) is a warning.
void compare_clocks(const std::string& created, const std::string& now, Fit& fit);

/// Versions as the runtime says them: another first number is a warning.
void compare_runtimes(const std::string& was, const std::string& now, Fit& fit);

void compare_cgroups(const ExpectedCgroups& was, const ExpectedCgroups& available, Fit& fit);
void compare_profiles(const std::vector<std::string>& needed, const std::vector<std::string>& loaded, Fit& fit);

/// Are the sources of mounts there, and still files or folders?
void compare_mounts(const std::vector<ExpectedMount>& mounts, Fit& fit);

/// Is something mounted at each of these places?
void compare_mount_points(const std::vector<std::string>& needed, const std::vector<proc::Mount>& mounts, Fit& fit);

/// `now` is nothing where there is no such file. As CRIU compares them (4.2, criu/files-reg.c): type and
/// permissions, size, build-id. It does not look at the time of the last write: another one is a
/// warning, but not where the build-id says that the content is the same.
void compare_file(const ExpectedFile& was, const std::optional<ExpectedFile>& now, Fit& fit);

/// Is each pid free: no process, no thread, no group and no session has it? `replaced` holds the processes
/// that are killed before the restore. What has ended, or ends, does not count: a restore waits for it.
void compare_pids(const std::vector<pid_t>& needed, const std::vector<proc::Stat>& processes,
                  const std::vector<proc::Stat>& replaced, Fit& fit);

}  // namespace stasis::ops
