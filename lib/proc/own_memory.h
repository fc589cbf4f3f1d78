#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace stasis::proc {

/// Pages that follow each other in a process.
struct Stretch {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
    /// A lazy restore may bring them later: the mapping is of no file, and nothing of the process is locked in memory
    /// (CRIU 4.2.1, criu/include/vma.h: vma_entry_can_be_lazy()).
    bool can_be_lazy = false;
};

/// The memory that is a process's own: what of its private mappings is in memory or swapped out, and is no file's
/// (/proc/PID/maps and pagemap, Documentation/admin-guide/mm/pagemap.rst), and all of the vDSO. That is what CRIU
/// (4.2.1, criu/mem.c: should_dump_page()) dumps of them, but for pages of zeros that were only read. By address; empty
/// where there is no such process.
std::vector<Stretch> own_memory(pid_t pid);

/// From here on the kernel notes which pages of the process are written to, where it can
/// (Documentation/admin-guide/mm/soft-dirty.rst). False where there is no such process.
bool track_writes(pid_t pid);

/// The pid of a process in each namespace that it is in, the host's first; empty where there is no such process.
std::vector<pid_t> pids_in_namespaces(pid_t pid);

}  // namespace stasis::proc
