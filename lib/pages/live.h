#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "lib/base/file_record.h"
#include "lib/pages/images.h"
#include "lib/sys/fd.h"
#include "lib/sys/interrupts.h"

namespace stasis::pages {

struct LiveTask {
    ImageId id;  ///< by which CRIU will call its memory
    pid_t pid = 0;
};

/// The memory of a process, to be read at its addresses: what the process itself must not read (PROT_NONE) as well, and
/// no difference is seen in a page that is swapped out. Nothing where the process is gone.
sys::UniqueFd open_memory(pid_t pid);

/// Reads the own memory of a task that runs, page by page, into the arena. `make_room` is called where that is full;
/// it may throw. A task that goes away meanwhile, or a part of its memory, is left out.
void read_live(const LiveTask& task, Arena& arena, Images& images, const std::function<void()>& make_room,
               sys::Interrupts& interrupts);

/// Writes to `folder`, which becomes a Parent, the own memory of tasks that run meanwhile, or what of it differs from
/// the parent before.
///
/// It is no state that ever was: the tasks write while they are read, and a page may be torn. That does no harm: a
/// dump compares each page as it stands still with the hash of what was written here, and what differs is written anew.
/// Tasks and memory that go away meanwhile are left out; so is memory that tasks share, which has no hash then.
/// `listener` hears of all pages as they are written. Returns what is known of the files without reading them. Throws
/// Kind::failed, and what Interrupts::check() throws.
FileRecords copy_live(const std::vector<LiveTask>& tasks, const sys::Path& folder, Layout layout,
                      std::optional<Parent> parent, Images::Listener listener, sys::Interrupts& interrupts);

}  // namespace stasis::pages
