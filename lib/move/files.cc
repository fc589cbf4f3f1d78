#include "lib/move/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "lib/sys/checksum.h"

namespace stasis::move {
namespace {

void send_file(Channel& channel, const sys::Path& path, const std::string& name, sys::Interrupts& interrupts) {
    const sys::UniqueFd file = sys::open_path(path, O_RDONLY | O_NOFOLLOW);
    Frame frame;
    frame.mutable_file()->set_path(name);
    channel.send(frame, interrupts);
    std::string bytes(kChunk, '\0');
    for (;;) {
        const ssize_t count = ::read(file.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw system_error(errno, "read '" + path.string() + "'");
        if (count == 0) break;
        frame.mutable_data()->set_bytes(bytes.data(), static_cast<std::size_t>(count));
        channel.send(frame, interrupts);
    }
    (void)frame.mutable_end();
    channel.send(frame, interrupts);
}

}  // namespace

void send_files(Channel& channel, const sys::Path& folder, const std::string& prefix, sys::Interrupts& interrupts) {
    for (const std::string& name : sys::list_directory(folder))
        if (!std::filesystem::is_directory(folder / name)) send_file(channel, folder / name, prefix + name, interrupts);
}

FileRecord receive_file(Channel& channel, const File& asked, const sys::Path& root, sys::Interrupts& interrupts) {
    const sys::UniqueFd folder = sys::open_path(root, O_RDONLY | O_DIRECTORY);
    constexpr mode_t kReadable = 0644;  // a restore into a user namespace reads them
    const sys::UniqueFd file = sys::open_beneath(folder.get(), asked.path(), O_WRONLY | O_CREAT | O_EXCL, kReadable);
    sys::Recorder recorder;
    for (;;) {
        const Frame frame = channel.receive(interrupts);
        if (frame.has_end()) return recorder.record();
        if (!frame.has_data()) throw Error(Kind::failed, "the other host sent another message than a file's");
        sys::write_all(file.get(), frame.data().bytes(), asked.path());
        recorder.add(frame.data().bytes());
    }
}

}  // namespace stasis::move
