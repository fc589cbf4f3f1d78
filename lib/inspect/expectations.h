#pragma once

#include <string>
#include <vector>

#include "lib/base/expectations.h"
#include "lib/proc/process.h"

namespace stasis::inspect {

/// A part of a target's file system that a checkpoint does not hold.
struct OutsidePlace {
    std::string inside;  ///< where the target sees it; "/" for all
    std::string host;    ///< where it lies on the host
};

/// What of the tree's surroundings a restore depends on; it can't be seen in the tree itself.
struct Scope {
    std::vector<OutsidePlace> places;
    bool same_pids = false;        ///< a restored task gets the host's pid that it had
    bool lasting_network = false;  ///< it is restored into a network that others have, too
    bool own_cgroups = false;      ///< CRIU makes its control groups again
};

/// What the tree below `root` needs around it to be restored. To be called while it stands still:
/// what is recorded must be of the same moment as the images. Expectations::mounts is left to the caller.
Expectations record_expectations(const proc::Identity& root, const Scope& scope);

/// A file as it is now, or nothing where there is none: what CRIU compares (4.2, criu/files-reg.c: type
/// and permissions, size, build-id of ELF files), and the time at which it was written.
std::optional<ExpectedFile> look_at_file(const std::string& path);

/// The mode of this host's control groups and every controller that it has.
ExpectedCgroups available_cgroups();

/// Names of the AppArmor profiles that are loaded; empty where there is no AppArmor.
std::vector<std::string> loaded_profiles();

}  // namespace stasis::inspect
