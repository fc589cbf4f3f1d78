#pragma once

#include <chrono>

#include "lib/sys/file.h"

namespace stasis::criu {

/// Mends what CRIU writes into `files.img` so that a restore does what the tasks expect. To be
/// called in `post-dump`, before the images are sealed:
/// - A periodic timerfd that expired while its task stood still is dumped as disarmed and would
///   never fire again (criu#3162): it gets the shortest time left instead.
/// - A timerfd that was set to a moment of the monotonic clock would fire up to a second early: CRIU adds what is left
///   of it to the whole seconds of the clock alone (4.2, timerfd_arm() in criu/pie/restorer.c). It is set to what is
///   left.
/// - A file of the host that is handed back (a log on standard output) goes on growing after a
///   snapshot: CRIU would refuse its new size, and write over what came later at the old position.
///   Its size and mode are forgotten, and what is written to it is appended.
void mend_files_image(const sys::Path& images);

/// Does `files.img` have a timerfd that is set to a time of day (CLOCK_REALTIME, TFD_TIMER_ABSTIME)?
bool has_wall_clock_timer(const sys::Path& images);

/// Has such timers go off when they are due, at once where that has passed: CRIU sets them to what was left of them in
/// the dump, so that they would be late by as long as the target was away (4.2, timerfd_arm()). `dumped`, when they
/// were read, and `now` are times since 1970. They may be late by a second, and are never early. The file is replaced.
void set_wall_clock_timers(const sys::Path& images, std::chrono::microseconds dumped, std::chrono::microseconds now);

/// What CRIU wants to see in the folder of a parent before it leaves out what has not changed since: that the parent
/// was made after `uptime`, when all tasks that it knows were running already (4.2, criu/image.c:
/// get_parent_inventory(), criu/mem.c: detect_pid_reuse()). Needed for the dump alone.
void write_parent_inventory(const sys::Path& parent, std::chrono::microseconds uptime);
/// Removes it, and the folder where there is nothing else in it.
void remove_parent_inventory(const sys::Path& parent);

}  // namespace stasis::criu
