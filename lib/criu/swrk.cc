#include "lib/criu/swrk.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/time.h"

namespace stasis::criu {
namespace {

/// A request larger than the socket buffer fails with EMSGSIZE; a container with hundreds of
/// external mounts has one of some 100 kB.
constexpr int kSendBuffer = 4 << 20;

constexpr auto kGoodbye = std::chrono::seconds(10);

/// A CRIU that dies in a restore leaves half-made tasks that hold its socket: no end of file comes.
/// What it said before it died is there by then.
constexpr auto kLastWords = std::chrono::seconds(1);

int milliseconds(std::chrono::milliseconds time) { return static_cast<int>(time.count()); }

}  // namespace

Swrk::Swrk(sys::Child child, sys::UniqueFd socket, sys::UniqueFd output)
    : child_(std::move(child)), socket_(std::move(socket)), output_(std::move(output)) {}

Swrk Swrk::start(const std::string& criu_binary, bool own_process_group, const Equipment& equipment) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0)
        throw system_error(errno, "create a socket for CRIU");
    sys::UniqueFd ours(ends[0]);
    sys::UniqueFd theirs(ends[1]);
    // SO_SNDBUFFORCE is not bound by net.core.wmem_max, but wants CAP_NET_ADMIN.
    if (::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer) < 0)
        (void)::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);

    sys::UniqueFd output = sys::memory_file("criu-output");
    sys::Command command;
    command.args = {criu_binary, "--no-default-config", "swrk", std::to_string(theirs.get())};
    // --no-default-config does not keep CRIU from reading this one.
    command.unset_env = {"CRIU_CONFIG_FILE"};
    std::vector<sys::Path> folders = equipment.folders;
    folders.insert(folders.begin(), sys::stand_ins());
    command.set_env = equipment.environment;
    command.set_env.push_back("PATH=" + sys::path_with(folders));
    command.out = output.get();
    command.err = output.get();
    command.descriptors = {{theirs.get(), theirs.get()}};
    for (const int fd : equipment.descriptors) command.descriptors.emplace_back(fd, fd);
    command.own_process_group = own_process_group;
    sys::Child child = sys::Child::start(command);
    // `theirs` closes here: kept open, a crash of CRIU would never become an end of file.
    return Swrk(std::move(child), std::move(ours), std::move(output));
}

Swrk::~Swrk() {
    if (child_.pid() <= 0) return;  // moved from
    socket_.reset();
    // With its client gone CRIU rolls back at its next notification and exits. Only a CRIU that
    // hangs is ended by the Child's destructor.
    pollfd ended{child_.pidfd(), POLLIN, 0};
    (void)::poll(&ended, 1, milliseconds(kGoodbye));
}

void Swrk::send(const rpc::Request& request) {
    const std::string bytes = request.SerializeAsString();
    for (;;) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent == static_cast<ssize_t>(bytes.size())) return;
        if (sent < 0 && errno == EINTR) continue;
        // What CRIU said before it went is still to be read; the caller finds it in receive().
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
        throw system_error(errno, "send a request to CRIU");
    }
}

bool Swrk::wait_readable(sys::Interrupts& interrupts, std::chrono::seconds grace) {
    Deadline give_up;
    for (;;) {
        int timeout = interrupts.poll_timeout_ms();
        if (give_up) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*give_up - Clock::now());
            timeout = static_cast<int>(std::max<long long>(left.count(), 0));
        }
        // Once a signal has come its descriptor says nothing new.
        const int signals = give_up ? -1 : interrupts.fd();
        std::array<pollfd, 3> waits{pollfd{socket_.get(), POLLIN, 0}, pollfd{signals, POLLIN, 0},
                                    pollfd{child_.pidfd(), POLLIN, 0}};
        if (::poll(waits.data(), waits.size(), timeout) < 0 && errno != EINTR)
            throw system_error(errno, "wait for CRIU");
        if (waits[0].revents != 0) return true;
        if (waits[2].revents != 0) return ::poll(waits.data(), 1, milliseconds(kLastWords)) == 1;
        if (give_up && Clock::now() >= *give_up) return false;
        if (!give_up && interrupts.pending()) give_up = Clock::now() + grace;
    }
}

std::optional<Packet> Swrk::receive(sys::Interrupts& interrupts, std::chrono::seconds grace) {
    if (!wait_readable(interrupts, grace)) {
        child_.signal(SIGTERM);
        return std::nullopt;
    }
    // Replies have no upper bound: ask for the size first.
    ssize_t size = 0;
    do {
        size = ::recv(socket_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC);
    } while (size < 0 && errno == EINTR);
    if (size == 0 || (size < 0 && errno == ECONNRESET)) return std::nullopt;
    if (size < 0) throw system_error(errno, "read CRIU's answer");

    std::vector<char> bytes(static_cast<std::size_t>(size));
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec vector{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = CMSG_LEN(sizeof(int));  // with the padding of CMSG_SPACE a second one would fit in
    ssize_t got = 0;
    do {
        got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) throw system_error(errno, "read CRIU's answer");

    Packet packet;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message);
        header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        packet.descriptor.reset(fd);
    }
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        throw Error(Kind::failed, "CRIU's answer arrived truncated");
    if (!packet.response.ParseFromArray(bytes.data(), static_cast<int>(got)))
        throw Error(Kind::failed, "CRIU's answer is not a message of its protocol");
    return packet;
}

std::string Swrk::output() const { return sys::read_all(output_.get(), "CRIU's output"); }

}  // namespace stasis::criu
