#include "lib/move/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "lib/sys/checksum.h"
#include "lib/sys/writeback.h"

namespace stasis::move {

void FileSender::begin(const std::string& name) {
    if (name == open_) return;
    end();
    open_ = name;
    sent_.insert(name);
    Frame frame;
    frame.mutable_file()->set_path(prefix_ + name);
    channel_.send(frame, interrupts_);
}

void FileSender::end() {
    if (open_.empty()) return;
    open_.clear();
    Frame frame;
    (void)frame.mutable_end();
    channel_.send(frame, interrupts_);
}

void FileSender::add(const std::string& name, std::string_view bytes) {
    begin(name);
    Frame frame;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(kChunk, bytes.size()))) {
        const std::string_view chunk = bytes.substr(0, kChunk);
        frame.mutable_data()->set_bytes(chunk.data(), chunk.size());
        channel_.send(frame, interrupts_);
    }
}

void FileSender::send_rest(const sys::Path& folder) {
    end();
    for (const std::string& name : sys::list_directory(folder))
        if (!sent_.contains(name) && !std::filesystem::is_directory(folder / name)) send_file(folder / name);
}

void FileSender::send_file(const sys::Path& path) {
    const sys::UniqueFd file = sys::open_path(path, O_RDONLY | O_NOFOLLOW);
    begin(path.filename());
    std::string bytes(kChunk, '\0');
    for (;;) {
        const ssize_t count = ::read(file.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw system_error(errno, "read '" + path.string() + "'");
        if (count == 0) break;
        add(path.filename(), std::string_view(bytes).substr(0, static_cast<std::size_t>(count)));
    }
    end();
}

FileRecord receive_file(Channel& channel, const File& asked, const sys::Path& root, sys::Interrupts& interrupts) {
    const sys::UniqueFd folder = sys::open_path(root, O_RDONLY | O_DIRECTORY);
    constexpr mode_t kReadable = 0644;  // a restore into a user namespace reads them
    const sys::UniqueFd file = sys::open_beneath(folder.get(), asked.path(), O_WRONLY | O_CREAT | O_EXCL, kReadable);
    sys::Recorder recorder;
    sys::EarlyWriteback writeback;
    for (;;) {
        const Frame frame = channel.receive(interrupts);
        if (frame.has_end()) return recorder.record();
        if (!frame.has_data()) throw Error(Kind::failed, "the other host sent another message than a file's");
        sys::write_all(file.get(), frame.data().bytes(), asked.path());
        writeback.wrote(file.get(), frame.data().bytes().size());
        recorder.add(frame.data().bytes());
    }
}

}  // namespace stasis::move
