#pragma once

#include <chrono>

#include "lib/sys/file.h"

namespace stasis::criu {

/// Mends what CRIU writes into `files.img` so that a restore does what the tasks expect. To be
/// called in `post-dump`, before the images are sealed:
/// - A periodic timerfd that expired while its task stood still is dumped as disarmed and would
///   never fire again (criu#3162): it gets the shortest time left instead.
/// - A file of the host that is handed back (a log on standard output) goes on growing after a
///   snapshot: CRIU would refuse its new size, and write over what came later at the old position.
///   Its size and mode are forgotten, and what is written to it is appended.
void mend_files_image(const sys::Path& images);

/// What CRIU wants to see in the folder of a parent before it leaves out what has not changed since: that the parent
/// was made after `uptime`, when all tasks that it knows were running already (4.2, criu/image.c:
/// get_parent_inventory(), criu/mem.c: detect_pid_reuse()). Needed for the dump alone.
void write_parent_inventory(const sys::Path& parent, std::chrono::microseconds uptime);
/// Removes it, and the folder where there is nothing else in it.
void remove_parent_inventory(const sys::Path& parent);

}  // namespace stasis::criu
