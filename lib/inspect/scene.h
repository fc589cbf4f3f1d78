#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/base/option.h"
#include "lib/inspect/watches.h"
#include "lib/proc/descriptors.h"
#include "lib/proc/process.h"
#include "lib/proc/sockets.h"

namespace stasis::inspect {

/// What is known about a target beside what /proc shows.
struct Surroundings {
    bool has_nftables = false;             ///< `nft` is there: a lock can be made, and removed after a failure
    bool has_pigz = false;                 ///< `pigz` is there, for what lies in a tmpfs
    bool network_outlives_target = false;  ///< so would a lock: none is made where there is nothing to lock
    bool has_runtime = false;              ///< a runtime restores it: it gives a container its console and cgroups back
    bool keeps_running = true;             ///< a snapshot; false for a stop
    bool paused = false;                   ///< its runtime has frozen it: all its waits are of that kind
    OptionList given{};                    ///< CRIU options that its runtime and the user have chosen
};

/// One process of the tree.
struct Task {
    proc::Stat stat;
    proc::Status status;
    std::map<std::string, std::uint64_t> namespaces;  ///< inodes by type: "mnt", "net", "pid" …
    std::vector<proc::Descriptor> descriptors;
    std::vector<proc::FileMapping> mappings;
    std::set<int> mounts;  ///< ids of those that it sees; empty where it has ended meanwhile

    pid_t pid() const { return stat.id.pid; }
    /// "pid 12 (redis-server)"
    std::string text() const;
    /// "pid 12 (redis-server), descriptor 5"
    std::string text(const proc::Descriptor& descriptor) const;
};

/// A descriptor of a task. There may be tens of thousands; only those in which something is wrong are put in words.
struct Place {
    const Task& task;
    const proc::Descriptor& descriptor;

    std::string text() const { return task.text(descriptor); }
};

/// All that was read of a live tree, in one pass and without stopping it.
struct Scene {
    std::vector<Task> tasks;                              ///< the root first, parents before children
    std::vector<proc::Stat> processes;                    ///< of the whole host
    std::map<std::string, std::uint64_t> own_namespaces;  ///< stasis's, which are CRIU's, too
    /// Sockets that any task has open, by inode, and what the kernel calls their protocol ("TCP", "UNIX" …).
    std::map<std::uint64_t, std::string> sockets;
    std::vector<proc::Sockets> networks;  ///< of each network namespace with such a socket
    std::vector<Watch> watches;
    Surroundings surroundings;

    /// About what the images of its memory will take. Shared memory counts once, by who has most of it.
    std::uint64_t memory_bytes() const;
    const Task& root() const { return tasks.front(); }
    bool has_pid(pid_t pid) const;
    /// Does the tree share this namespace with stasis and CRIU?
    bool shares(const std::string& type) const;
};

/// Reads it. Throws Kind::not_found where `root` has ended.
Scene read_scene(const proc::Identity& root, Surroundings surroundings);

}  // namespace stasis::inspect
