#include "lib/move/tree.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <regex>

#include "lib/sys/child.h"
#include "lib/sys/socket.h"
#include "lib/sys/unlinked.h"

namespace stasis::move {
namespace {

constexpr int kPartial = 23;   // RERR_PARTIAL: some files could not be read
constexpr int kVanished = 24;  // RERR_VANISHED
constexpr std::size_t kMostArguments = 64 << 10;

/// Exactly so many bytes; false at the end of the stream.
bool read_exactly(int fd, void* to, std::size_t size) {
    return ::recv(fd, to, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

/// What rsync_transport() says first. rsync may also die before it starts one.
std::optional<Rsync> read_arguments(int fd, sys::Interrupts& interrupts) {
    std::array<pollfd, 2> waits{pollfd{fd, POLLIN, 0}, pollfd{interrupts.fd(), POLLIN, 0}};
    while (waits[0].revents == 0) {
        (void)::poll(waits.data(), waits.size(), interrupts.poll_timeout_ms());
        interrupts.check();
    }
    std::uint32_t size = 0;
    if (!read_exactly(fd, &size, sizeof size) || size > kMostArguments) return std::nullopt;
    std::string bytes(size, '\0');
    Rsync asked;
    if (!read_exactly(fd, bytes.data(), size) || !asked.ParseFromString(bytes)) return std::nullopt;
    return asked;
}

/// Carries the bytes of a socket to the other end and back, until both have ended.
class Relay {
  public:
    using Progress = std::function<void(std::uint64_t)>;

    Relay(
        Channel& channel, sys::UniqueFd socket, sys::Interrupts& interrupts, Progress progress = [](std::uint64_t) {})
        : channel_(channel), socket_(std::move(socket)), interrupts_(interrupts), progress_(std::move(progress)) {}

    void run() {
        while (reading_ || !ended_ || !pending_.empty()) {
            const bool writing = !pending_.empty();
            const short wanted = static_cast<short>((reading_ ? POLLIN : 0) | (writing ? POLLOUT : 0));
            const Channel::Ready ready =
                channel_.wait_beside(wanted == 0 ? -1 : socket_.get(), wanted, !writing && !ended_, interrupts_);
            if (writing && (ready.events & (POLLOUT | POLLHUP | POLLERR)) != 0) write();
            if (reading_ && (ready.events & (POLLIN | POLLHUP | POLLERR)) != 0) read();
            if (ready.frame) take(channel_.receive(interrupts_));
        }
    }

  private:
    void take(const Frame& frame) {
        if (frame.has_data())
            pending_ = frame.data().bytes();
        else if (frame.has_end())
            ended_ = true;
        else
            throw Error(Kind::failed, "the other host sent another message than rsync's");
        if (ended_) (void)::shutdown(socket_.get(), SHUT_WR);
    }
    void write() {
        const ssize_t count = ::send(socket_.get(), pending_.data(), pending_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0)
            pending_.erase(0, static_cast<std::size_t>(count));
        else if (errno != EAGAIN && errno != EINTR)
            pending_.clear();  // our rsync is gone: how it ended says why
    }
    void read() {
        std::array<char, kChunk> bytes;
        const ssize_t count = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
        Frame frame;
        if (count > 0) {
            frame.mutable_data()->set_bytes(bytes.data(), static_cast<std::size_t>(count));
        } else {
            (void)frame.mutable_end();
            reading_ = false;
        }
        channel_.send(frame, interrupts_);
        progress_(sent_ += frame.data().bytes().size());
    }

    Channel& channel_;
    sys::UniqueFd socket_;
    sys::Interrupts& interrupts_;
    Progress progress_;
    std::uint64_t sent_ = 0;
    std::string pending_;  ///< for the socket
    bool reading_ = true;  ///< our rsync has more to say
    bool ended_ = false;   ///< the other one has not
};

Error failed(const sys::RunResult& result, const std::string& doing) {
    const std::string last = sys::first_line(result.err);
    return Error(Kind::failed, doing + ": rsync ended with " + result.status.describe() +
                                   (last.empty() ? "" : ": " + printable(last)));
}

/// Makes rsync look at the content: nothing has a time stamp of the year 1970, but if, its content is looked at in
/// vain.
void distrust(const Path& tree, const Tree& asked) {
    const sys::UniqueFd top = sys::open_path(tree, O_RDONLY | O_DIRECTORY);
    for (const std::string& path : asked.suspects()) {
        try {
            const sys::UniqueFd file = sys::open_beneath(top.get(), path, O_RDONLY | O_NONBLOCK);
            struct stat info {};
            const std::array<timespec, 2> never{};
            if (::fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode)) (void)::futimens(file.get(), never.data());
        } catch (const Error&) {
            // Not there yet, or no file: rsync sees that by itself.
        }
    }
}

}  // namespace

void send_tree(Channel& channel, const TreeJob& job, sys::Interrupts& interrupts) {
    Frame frame;
    frame.mutable_tree()->set_place(job.place);
    frame.mutable_tree()->mutable_suspects()->Assign(job.suspects.begin(), job.suspects.end());
    channel.send(frame, interrupts);

    auto [ours, theirs] = sys::socket_pair();
    const std::string fd = std::to_string(theirs.get());
    // rsync takes the transport apart at blanks, and runs it as a child of its own.
    const std::string transport = "/proc/" + std::to_string(::getpid()) + "/exe rsync-transport " + fd + " --";
    sys::Command command;
    command.args = {"rsync",
                    "-aHAXSx",
                    "--numeric-ids",
                    "--modify-window=-1",
                    "--delete",
                    "--quiet",
                    "-e",
                    transport,
                    "--",
                    job.from.string() + "/",
                    "target:/"};
    command.unset_env = {"RSYNC_RSH", "RSYNC_PARTIAL_DIR", "RSYNC_PROTECT_ARGS", "RSYNC_OLD_ARGS"};
    command.descriptors = {{theirs.get(), theirs.get()}};
    sys::Running rsync = sys::start_unlinked(std::move(command), job.from);
    theirs.reset();
    if (const std::optional<Rsync> asked = read_arguments(ours.get(), interrupts)) {
        *frame.mutable_rsync() = *asked;
        channel.send(frame, interrupts);
        Relay(channel, std::move(ours), interrupts, job.progress).run();
        (void)channel.expect(Frame::kDone, interrupts);
    }
    const sys::RunResult result = rsync.finish(&interrupts);
    const int code = result.status.exit_code.value_or(-1);
    if (code == 0 || (job.live && (code == kVanished || code == kPartial))) return;
    throw failed(result, "cannot send '" + job.from.string() + "'");
}

std::vector<std::string> receiving_rsync(const Rsync& asked, const Path& to) {
    static const std::regex kHarmless(
        "-[a-zA-Z]+\\.?[a-zA-Z]*|-@-?[0-9]+|--numeric-ids|--delete(-[a-z]+)?|--log-format=[A-Za-z%]*");
    const auto& words = asked.arguments();
    const int count = words.size();
    constexpr int kFewest = 4;  // rsync --server … . PATH
    const bool is_receiver = count >= kFewest && words[0] == "rsync" && words[1] == "--server" &&
                             words[count - 2] == "." && words[count - 1] == "/";
    if (!is_receiver || !std::all_of(words.begin() + 2, words.end() - 2,
                                     [](const auto& word) { return std::regex_match(word, kHarmless); }))
        throw Error(Kind::failed, "the other host's rsync asks for what is not allowed");
    std::vector<std::string> arguments(words.begin(), words.end() - 1);
    arguments.push_back(to.string() + "/");
    return arguments;
}

void receive_tree(Channel& channel, const Tree& asked, const Path& to, int lock_fd, sys::Interrupts& interrupts) {
    distrust(to, asked);
    auto [ours, theirs] = sys::socket_pair();
    sys::Command command;
    command.args = receiving_rsync(channel.expect(Frame::kRsync, interrupts).rsync(), to);
    command.in = theirs.get();
    command.out = theirs.get();
    if (lock_fd >= 0) command.descriptors.emplace_back(lock_fd, lock_fd);
    sys::Running rsync = sys::start_unlinked(std::move(command), to);
    theirs.reset();
    Relay(channel, std::move(ours), interrupts).run();
    const sys::RunResult result = rsync.finish(&interrupts);
    const int code = result.status.exit_code.value_or(-1);
    // What the sender could not read is for the sender to judge.
    if (code != 0 && code != kVanished && code != kPartial) throw failed(result, "cannot write '" + to.string() + "'");
    Frame done;
    (void)done.mutable_done();
    channel.send(done, interrupts);
}

void rsync_transport(const std::vector<std::string>& words, int fd) {
    Rsync asked;
    for (std::size_t i = 1; i < words.size(); ++i) asked.add_arguments(words[i]);
    const std::string bytes = asked.SerializeAsString();
    const auto size = static_cast<std::uint32_t>(bytes.size());
    sys::write_all(fd, {reinterpret_cast<const char*>(&size), sizeof size}, "the link");
    sys::write_all(fd, bytes, "the link");

    // From rsync to the link, and back.
    std::array<pollfd, 2> waits{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{fd, POLLIN, 0}};
    const std::array<int, 2> sinks{fd, STDOUT_FILENO};
    for (;;) {
        if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) throw system_error(errno, "wait for rsync");
        for (std::size_t i = 0; i < waits.size(); ++i) {
            if (waits[i].fd < 0 || waits[i].revents == 0) continue;
            std::array<char, kChunk> buffer;
            const ssize_t count = ::read(waits[i].fd, buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) continue;
            if (count > 0) {
                sys::write_all(sinks[i], {buffer.data(), static_cast<std::size_t>(count)}, "rsync");
                continue;
            }
            // As ssh ends when its command has: rsync waits for that before it closes its own end.
            if (i == 1) return;
            waits[i].fd = -1;
            (void)::shutdown(fd, SHUT_WR);
        }
    }
}

}  // namespace stasis::move
