#include <sys/stat.h>

#include <set>
#include <sstream>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/inspect/blockers.h"
#include "lib/inspect/look.h"

namespace stasis::inspect {
namespace {

/// Inodes with a lock that belongs to an open file rather than to a process (proc_locks(5)), so that others
/// who inherited the descriptor hold it as well.
std::set<std::uint64_t> inodes_locked_by_files() {
    std::set<std::uint64_t> inodes;
    std::istringstream lines(sys::read_file_if_exists("/proc/locks").value_or(""));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string number, kind, mode, access, pid, place;
        fields >> number >> kind >> mode >> access >> pid >> place;
        if (kind == "FLOCK" || kind == "OFDLCK") inodes.insert(std::stoull("0" + place.substr(place.rfind(':') + 1)));
    }
    return inodes;
}

/// Does this descriptor hold a lock for writing that is the open file's?
bool holds_lock(pid_t pid, const proc::Descriptor& descriptor) {
    const auto info = proc::descriptor_info(pid, descriptor.number);
    const auto lock = info.find("lock");
    if (lock == info.end() || lock->second.find("WRITE") == std::string::npos) return false;
    return lock->second.find("FLOCK") != std::string::npos || lock->second.find("OFDLCK") != std::string::npos;
}

/// A process outside that holds the very lock; only one can hold it for writing, so it is the same open file.
std::string holder_outside(const Scene& scene, const proc::Descriptor& held) {
    for (const proc::Stat& process : scene.processes) {
        if (scene.has_pid(process.id.pid)) continue;
        for (const proc::Descriptor& other : proc::descriptors(process.id.pid))
            if (other.inode == held.inode && other.device == held.device && holds_lock(process.id.pid, other))
                return fmt::format("pid {} ({}), descriptor {}", process.id.pid, process.command, other.number);
    }
    return "";
}

}  // namespace

void find_in_locks(const Scene& scene, Blockers& found) {
    const std::set<std::uint64_t> locked = inodes_locked_by_files();
    std::set<std::uint64_t> seen;
    for (const Task& task : scene.tasks)
        for (const proc::Descriptor& descriptor : task.descriptors) {
            if (!S_ISREG(descriptor.mode) || !locked.contains(descriptor.inode)) continue;
            if (!holds_lock(task.pid(), descriptor) || !seen.insert(descriptor.inode).second) continue;
            const std::string holder = holder_outside(scene, descriptor);
            if (holder.empty()) continue;
            found.push_back(
                {"lock",
                 fmt::format("{} holds a lock on '{}' together with a process outside: {}; a restore would wait for "
                             "it for ever",
                             task.text(descriptor), descriptor.target, holder),
                 "end the process outside (often a wrapper such as flock(1), which has `--close` against this)"});
        }
}

std::set<std::string> locked_files(const proc::Identity& root) {
    std::set<std::string> locked;
    for (const proc::Stat& task : proc::tree_of(root.pid, proc::all_processes()))
        for (const proc::Descriptor& descriptor : proc::descriptors(task.id.pid))
            if (S_ISREG(descriptor.mode) && proc::descriptor_info(task.id.pid, descriptor.number).contains("lock"))
                locked.insert(descriptor.target);
    return locked;
}

}  // namespace stasis::inspect
