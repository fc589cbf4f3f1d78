#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stasis {

/// A file or folder that a checkpoint does not hold but whose target had open or mapped: a restore
/// needs it as it was.
struct ExpectedFile {
    std::string path;                   ///< on the host
    std::uint32_t mode = 0;             ///< type and permissions, as in stat(2)
    std::optional<std::uint64_t> size;  ///< nothing where any size is right: folders, logs that are appended to
    std::int64_t mtime_ns = 0;
    std::string build_id;  ///< of an ELF file, in hexadecimal digits

    bool operator==(const ExpectedFile&) const = default;
};

/// A file or folder of the host that is mounted into the target.
struct ExpectedMount {
    std::string source;
    std::string destination;
    bool folder = false;

    bool operator==(const ExpectedMount&) const = default;
};

/// The control groups that a target was in.
struct ExpectedCgroups {
    std::string mode;  ///< "v1", "hybrid" or "v2"; empty where the target's groups are the host's affair
    std::vector<std::string> controllers;

    bool operator==(const ExpectedCgroups&) const = default;
};

/// A socket that waits for connections.
struct ExpectedListener {
    std::string address;
    std::uint16_t port = 0;

    auto operator<=>(const ExpectedListener&) const = default;
};

/// What a target needs around it to be brought back, beside what its checkpoint holds.
struct Expectations {
    std::vector<ExpectedFile> files;
    std::vector<ExpectedMount> mounts;
    std::vector<std::string>
        mount_points;                    ///< of the host's, but for "/", on which its root file system and mounts lie
    std::vector<pid_t> pids;             ///< of tasks, threads, groups and sessions; empty where any will do
    std::vector<std::string> addresses;  ///< that its TCP connections have on this side
    std::vector<ExpectedListener> listeners;
    ExpectedCgroups cgroups;
    std::vector<std::string> profiles;  ///< of AppArmor

    bool operator==(const Expectations&) const = default;
};

}  // namespace stasis
