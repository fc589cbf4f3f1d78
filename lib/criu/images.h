#pragma once

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

}  // namespace stasis::criu
