#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stasis::proc {

/// An open file of a process, as far as it can be seen without reading its fdinfo.
struct Descriptor {
    int number = 0;
    std::string target;  ///< what the link in /proc/PID/fd says
    // Of what it leads to; 0 for what has no path.
    mode_t mode = 0;
    dev_t device = 0;   ///< where it lies
    dev_t special = 0;  ///< what it is, for a device node
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    unsigned links = 0;
    int mount_id = 0;       ///< as in mountinfo (statx, Linux 5.8)
    bool writable = false;  ///< opened for writing: the mode of the link in /proc/PID/fd tells (proc_pid_fd(5))

    bool is_path() const { return target.starts_with("/"); }
};

/// All open files of a process; empty where it has ended.
std::vector<Descriptor> descriptors(pid_t pid);

/// The fields of /proc/PID/fdinfo/NUMBER by their names, without the ":"; several of one name are joined
/// by newlines. Empty where it is closed.
std::map<std::string, std::string> descriptor_info(pid_t pid, int number);

/// What kind of socket a descriptor is, as the kernel calls the protocol: "TCP", "UNIX-STREAM", "NETLINK" …
/// (the attribute system.sockprotoname, Linux 2.6.39). Empty where it is no socket.
std::string socket_protocol(pid_t pid, int number);

/// The inode in "socket:[123]", "net:[123]", "pipe:[123]"; 0 where there is none.
std::uint64_t inode_in(const std::string& target);

}  // namespace stasis::proc
