#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/sys/file.h"

namespace stasis::proc {

using sys::Path;

/// A process for as long as it lives: a pid alone may name another process a moment later.
struct Identity {
    pid_t pid = 0;
    /// Clock ticks after boot (/proc/PID/stat, field 22).
    std::uint64_t start_time = 0;

    bool operator==(const Identity&) const = default;
};

/// Since boot, by the clock of Identity::start_time (CLOCK_BOOTTIME).
std::chrono::microseconds uptime();

/// What /proc/PID/stat says, as far as we need it.
struct Stat {
    Identity id;
    std::string command;
    /// R, S, D, T, t, Z … as in proc(5).
    char state = '?';
    pid_t parent = 0;
    pid_t process_group = 0;
    pid_t session = 0;
    int terminal = 0;
    bool exiting = false;  ///< it ends just now, and may have given up its namespaces already (PF_EXITING)
};

/// What /proc/PID/status says, as far as we need it.
struct Status {
    pid_t tracer = 0;  ///< 0 where nobody traces it
    uid_t uid = 0;     ///< effective, as the host sees it
    int threads = 1;
    std::uint64_t waits = 0;         ///< how often it, a thread, has gone to sleep (voluntary context switches)
    std::uint64_t own_bytes = 0;     ///< anonymous memory and huge pages, in use or swapped out
    std::uint64_t shared_bytes = 0;  ///< shared memory in use, which others may have as well (RssShmem)
};

/// An open file of a process.
struct OpenFile {
    int number = 0;
    std::string target;  ///< what the link in /proc/PID/fd says
    int flags = 0;       ///< open(2) flags
    std::int64_t offset = 0;
    int mount_id = 0;
    std::uint64_t inode = 0;
};

/// A mapping of a file.
struct FileMapping {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    bool writable = false;
    bool shared = false;
    std::string path;  ///< with " (deleted)" where the file has no name any more; or "anon_inode:…"
};

/// A line of /proc/PID/mountinfo; paths are unescaped.
struct Mount {
    int id = 0;
    int parent_id = 0;
    std::string device;  ///< major:minor
    std::string root;    ///< which part of the file system is mounted
    std::string mount_point;
    std::string options;
    bool shared = false;
    bool slave = false;
    std::string type;
    std::string source;
    std::string super_options;
};

/// A line of /proc/PID/cgroup.
struct CgroupMembership {
    std::string controllers;  ///< empty for cgroup v2
    std::string path;
};

/// Nothing where there is no such process.
std::optional<Stat> read_stat(pid_t pid);

/// All zero where there is no such process.
Status read_status(pid_t pid);

/// The threads of a process, the first one included.
std::vector<Stat> threads_of(pid_t pid);

/// The kernel function that a task waits in (/proc/PID/wchan); empty where it can't be told.
std::string waits_in(pid_t pid);

/// How much it has read by system calls, of files or pipes (`rchar` in /proc/PID/io); 0 where it is gone.
std::uint64_t bytes_read(pid_t pid);

/// Does this very process still exist (a zombie does not count)?
bool is_alive(const Identity& id);

/// Has it been killed, or does it exit, without having ended yet? Freeing a large memory takes time.
bool is_ending(const Identity& id);

/// Blocks until the process has ended (it may still be a zombie), at most `timeout_ms`. False on expiry.
bool wait_until_ended(const Identity& id, int timeout_ms);

/// Kills a process, unless it is gone or its pid means another one by now, and waits until it has
/// ended. False when it does not end.
bool kill_and_wait(const Identity& id);

/// Blocks until all of these pids are free again, at most `timeout_ms`; one that is not by then, nothing where all are.
/// A killed process stays a zombie until its parent reaps it, and holds its pid, its process group's and its session's:
/// fork() to any of them fails until then (EEXIST; clone3(2), set_tid).
std::optional<pid_t> wait_until_free(const std::set<pid_t>& pids, int timeout_ms);

/// Every process that exists, from one pass over /proc.
std::vector<Stat> all_processes();

/// `root` and its descendants among `processes`, parents before children.
std::vector<Stat> tree_of(pid_t root, const std::vector<Stat>& processes);

/// Lets `root` and its descendants, stopped by SIGSTOP, go on: children before parents, so that no parent sees its
/// child stopped.
void continue_tree(pid_t root);

/// Stops `root` and its descendants by SIGSTOP: parents before children, for continue_tree() to let them go on.
void stop_tree(pid_t root);

/// Kills `root` and its descendants, and waits until they have ended; reaps none.
void kill_tree(const Identity& root);

/// Is `ancestor` the process `pid` or one of its ancestors?
bool is_ancestor(pid_t ancestor, pid_t pid);

std::vector<OpenFile> open_files(pid_t pid);
std::vector<FileMapping> file_mappings(pid_t pid);
std::vector<Mount> mounts(pid_t pid);
std::vector<CgroupMembership> cgroups(pid_t pid);

/// The inode that identifies a namespace ("mnt", "net", "pid", …); 0 where it can't be read.
std::uint64_t namespace_inode(pid_t pid, const std::string& type);

}  // namespace stasis::proc
