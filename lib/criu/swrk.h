#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "lib/sys/child.h"
#include "lib/sys/fd.h"
#include "lib/sys/interrupts.h"
#include "proto/criu_rpc.pb.h"

namespace stasis::criu {

/// One message from CRIU with the descriptor that may have come with it.
struct Packet {
    rpc::Response response;
    sys::UniqueFd descriptor;
};

/// What a CRIU is started with.
struct Equipment {
    std::vector<int> descriptors;          ///< that it gets under the same numbers
    std::vector<std::string> environment;  ///< "NAME=value", replacing what is inherited
    std::vector<sys::Path> folders;        ///< where it looks for programs first, but for stand-ins
};

/// A `criu swrk` process and the SOCK_SEQPACKET socket to it: one packet is one message, no
/// length prefix. The destructor closes the socket, upon which a CRIU in mid-dump rolls back by
/// itself, and reaps it.
class Swrk {
  public:
    /// Starts CRIU. The process that calls this must own images_dir_fd and work_dir_fd of later
    /// requests: CRIU opens them through /proc/<peer pid>/fd/N.
    static Swrk start(const std::string& criu_binary, bool own_process_group, const Equipment& equipment = {});
    Swrk(Swrk&&) = default;
    Swrk& operator=(Swrk&&) = delete;
    ~Swrk();

    pid_t pid() const { return child_.pid(); }

    /// Throws Kind::failed when CRIU is gone.
    void send(const rpc::Request& request);

    /// The next message; nothing when CRIU closed the socket or died without an answer.
    /// Throws where the message can't be read. Waits without end, but when `interrupts` fires
    /// (signal or deadline) only `grace` more: then CRIU counts as hung and is ended.
    std::optional<Packet> receive(sys::Interrupts& interrupts, std::chrono::seconds grace);

    /// What CRIU printed on stdout and stderr: the only trace of an early death.
    std::string output() const;

  private:
    Swrk(sys::Child child, sys::UniqueFd socket, sys::UniqueFd output);
    bool wait_readable(sys::Interrupts& interrupts, std::chrono::seconds grace);

    sys::Child child_;
    sys::UniqueFd socket_;
    sys::UniqueFd output_;
};

}  // namespace stasis::criu
