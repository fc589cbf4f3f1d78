#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "lib/inspect/blockers.h"
#include "lib/inspect/options.h"
#include "lib/inspect/warnings.h"
#include "lib/sys/interrupts.h"

namespace stasis::inspect {

/// What was seen in a live tree without stopping it.
struct Look {
    std::vector<proc::Stat> tasks;
    Blockers blockers;
    std::vector<Warning> warnings;
    OptionList options;                ///< that this tree needs, beside those that its runtime has chosen
    bool has_network_sockets = false;  ///< TCP, UDP and the like
    std::uint64_t memory_bytes = 0;    ///< Scene::memory_bytes()
    std::uint64_t tmpfs_bytes = 0;     ///< inspect::tmpfs_bytes()
};

/// Looks at the tree below `root`. Blockers that may pass by themselves are looked at again, for less than
/// a second in all.
Look look(const proc::Identity& root, const Surroundings& surroundings, Tcp tcp, sys::Interrupts& interrupts);

/// Files that any of these tasks has open for writing or mapped shared and writable, as paths from the
/// container's root without the leading "/". Tasks may end meanwhile.
std::set<std::string> written_files(const std::vector<proc::Stat>& tasks);

/// Files on which a tree holds locks or leases, by their paths in it.
std::set<std::string> locked_files(const proc::Identity& root);

}  // namespace stasis::inspect
