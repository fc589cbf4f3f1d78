#include "tests/fake_criu/client.h"

#include <fcntl.h>
#include <google/protobuf/text_format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace fake {

void trace(const std::string& line) {
    const char* path = std::getenv("FAKE_CRIU_TRACE");
    if (path == nullptr) return;
    const int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string text = line + "\n";
    if (fd < 0 || ::write(fd, text.data(), text.size()) < 0) std::abort();
    (void)::close(fd);
}

int traced(const std::string& beginning) {
    const char* path = std::getenv("FAKE_CRIU_TRACE");
    std::ifstream file(path == nullptr ? "" : path);
    int count = 0;
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(beginning)) ++count;
    return count;
}

Client::Client(int socket) : socket_(socket) {
    constexpr int kSendBuffer = 4 << 20;
    if (::setsockopt(socket_, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer) < 0)
        (void)::setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
}

stasis::criu::rpc::Request Client::receive() const {
    const ssize_t size = ::recv(socket_, nullptr, 0, MSG_PEEK | MSG_TRUNC);
    if (size <= 0) std::exit(1);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    stasis::criu::rpc::Request request;
    if (::recv(socket_, bytes.data(), bytes.size(), 0) != size || !request.ParseFromString(bytes)) std::abort();
    google::protobuf::TextFormat::Printer printer;
    printer.SetSingleLineMode(true);
    std::string text;
    (void)printer.PrintToString(request, &text);
    trace("request: " + text);
    return request;
}

void Client::send(std::string bytes, std::size_t descriptors) const {
    std::array<int, 2> sent{::open("/dev/null", O_RDONLY | O_CLOEXEC), ::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof sent)> control{};
    iovec vector{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    if (descriptors > 0) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors);
        std::memcpy(CMSG_DATA(header), sent.data(), sizeof(int) * descriptors);
    }
    if (::sendmsg(socket_, &message, MSG_NOSIGNAL) < 0) std::exit(1);
    for (const int fd : sent) (void)::close(fd);
}

int Client::open_folder(int number) const {
    ucred peer{};
    socklen_t length = sizeof peer;
    (void)::getsockopt(socket_, SOL_SOCKET, SO_PEERCRED, &peer, &length);
    const std::string path = "/proc/" + std::to_string(peer.pid) + "/fd/" + std::to_string(number);
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) std::abort();
    return fd;
}

void Client::wait_until_gone() const {
    pollfd client{socket_, POLLRDHUP, 0};
    (void)::poll(&client, 1, -1);
    std::exit(1);
}

}  // namespace fake
