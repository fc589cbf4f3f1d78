#pragma once

#include <string>

#include "proto/criu_rpc.pb.h"

namespace fake {

/// Appends a line to the file that FAKE_CRIU_TRACE names, if any: what a test can look at.
void trace(const std::string& line);

/// How many lines of that file begin so.
int traced(const std::string& beginning);

/// Whoever started this `criu swrk`, at the other end of the socket. No way to go on without it.
class Client {
  public:
    explicit Client(int socket);
    /// The next request, traced. Exits when the client is gone: CRIU rolls back and goes as well.
    stasis::criu::rpc::Request receive() const;
    /// Sends a packet with so many descriptors (at most two) of /dev/null.
    void send(std::string bytes, std::size_t descriptors) const;
    /// CRIU opens the folders that its client names through the client's own table.
    int open_folder(int number) const;
    void wait_until_gone() const;

  private:
    int socket_;
};

}  // namespace fake
