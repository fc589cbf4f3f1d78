#pragma once

#include <string>
#include <vector>

#include "lib/inspect/scene.h"

namespace stasis::inspect {

/// Why a tree can't be dumped as it is, and what would change that.
struct Blocker {
    std::string id;     ///< a stable word for scripts; the manual lists them
    std::string cause;  ///< which process, descriptor or path, and what is wrong with it
    std::string remedy;
    bool passes = false;    ///< it may be gone a moment later by itself
    bool absolute = false;  ///< to go on in spite of it would do harm: --ignore-blockers does not pass over it
    /// Which of many such it is, where there is another one soon. Where the next look finds another, this has passed.
    std::string instance{};
};

using Blockers = std::vector<Blocker>;

/// The id of processes started into a container from outside: a user may leave them out.
inline constexpr const char* kExecId = "exec";

// Each adds what it finds. That CRIU 4.2.1 fails where they say so was tried with a real program for each
// (tests/root/agreement.test.sh).

/// Tracers, waits that can't be interrupted, stasis's own ancestors, missing permission …
void find_in_tasks(const Scene& scene, Blockers& found);

/// Namespaces that CRIU can't dump below the root's, or at all.
void find_in_namespaces(const Scene& scene, Blockers& found);

/// Descriptors and mappings of files that CRIU has no image for.
void find_in_files(const Scene& scene, Blockers& found);

/// Mounts of file systems that CRIU can't make again.
void find_in_mounts(const Scene& scene, Blockers& found);

/// Terminals whose other end is outside.
void find_in_terminals(const Scene& scene, Blockers& found);

/// Sockets of families and in states that CRIU can't dump, connections to processes outside.
void find_in_sockets(const Scene& scene, Blockers& found);

/// File locks shared with processes outside.
void find_in_locks(const Scene& scene, Blockers& found);

/// Watched files that CRIU can't find.
void find_in_watches(const Scene& scene, Blockers& found);

}  // namespace stasis::inspect
