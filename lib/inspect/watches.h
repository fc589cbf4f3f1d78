#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/option.h"

namespace stasis::inspect {

struct Scene;
struct Task;

/// A file that a task watches (inotify, fanotify).
struct Watch {
    std::string watcher;  ///< "pid 12 (nginx), descriptor 5"
    std::uint64_t inode = 0;
    std::string device;  ///< "major:minor"
    std::string name;    ///< where CRIU is to look for it; empty where it finds it by itself
    bool lost = false;   ///< CRIU can't find it at all
};

/// CRIU opens a watched inode by its handle, and takes its name from there. Overlay and NFS have handles that can't be
/// opened: there it must look for the inode by name, in the places that it is told. An inode without a name is lost to
/// it there, and on a tmpfs (4.2.1, criu/fsnotify.c: check_open_handle()). Looking through very large trees ends early.
std::vector<Watch> read_watches(const std::vector<Task>& tasks);

/// `irmap-scan-path` for each watched file that CRIU must look for: its own list has a few folders only (criu/irmap.c).
void choose_watches(const Scene& scene, OptionList& options);

}  // namespace stasis::inspect
