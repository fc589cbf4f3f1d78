#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lib/move/channel.h"
#include "lib/sys/file.h"

namespace stasis::move {

using sys::Path;

// A tree crosses by rsync, whose two halves talk through the link: the sending half starts what it takes for a
// remote shell, `stasis rsync-transport`, which hands its bytes to us. So there is one connection, one
// authentication, and no second program that could be configured otherwise.

/// How a tree is sent.
struct TreeJob {
    Path from;
    std::uint32_t place = 0;  ///< which it is, for the other end
    /// Files may change and vanish while they are read.
    bool live = false;
    /// Files that may differ although size and time are the same; relative to the tree.
    std::vector<std::string> suspects;
    std::function<void(std::uint64_t bytes)> progress = [](std::uint64_t) {};  ///< is told how many were sent
};

/// Makes the other end's copy of a tree exact: what is not in it is deleted there. Kept are owners by number,
/// modes, times to the nanosecond, hard links, ACLs, extended attributes, devices, holes. Never crosses into another
/// file system. Throws Kind::failed where either half fails.
void send_tree(Channel& channel, const TreeJob& job, sys::Interrupts& interrupts);

/// The other half, for the Tree frame `asked`: makes `to`, which must be there, that tree. `lock_fd`: a lock that its
/// rsync holds for as long as it runs, should we die.
void receive_tree(Channel& channel, const Tree& asked, const Path& to, int lock_fd, sys::Interrupts& interrupts);

/// The arguments for an rsync that receives into `to`, of those that the source's rsync asks for: only what is known
/// to be harmless. Throws Kind::failed for anything else.
std::vector<std::string> receiving_rsync(const Rsync& asked, const Path& to);

/// `stasis rsync-transport`: what rsync takes for a remote shell. `words` is the host and the command that rsync wants
/// there; they and then all bytes go through the socket `fd`. Throws system_error.
void rsync_transport(const std::vector<std::string>& words, int fd);

}  // namespace stasis::move
