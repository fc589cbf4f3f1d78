// What another host sends in a move: the stream of frames, and what they have this host do with files. The first byte
// says which. With -DSTASIS_FUZZ=ON (clang) this is a libFuzzer target; else it runs its corpus once.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/move/channel.h"
#include "lib/move/files.h"
#include "lib/move/tree.h"
#include "lib/store/manifest.h"
#include "lib/sys/child.h"
#include "tests/fuzz/folder.h"

namespace {

using namespace stasis;

/// What a reader makes of a stream that comes in pieces: its frames, and a last one where it refused.
std::vector<std::string> frames_of(std::string_view stream, std::size_t piece) {
    std::vector<std::string> frames;
    move::FrameReader reader(true);
    try {
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            reader.feed(stream.substr(at, piece));
            while (const std::optional<move::Frame> frame = reader.next()) frames.push_back(frame->SerializeAsString());
        }
    } catch (const Error&) {
        frames.emplace_back("refused");
    }
    return frames;
}

/// However it is cut, a stream is the same.
void read_frames(std::string_view text) {
    if (text.empty()) return;
    const auto piece = static_cast<std::size_t>(static_cast<unsigned char>(text[0])) + 1;
    const std::string_view stream = text.substr(1);
    if (frames_of(stream, piece) != frames_of(stream, stream.size() + 1)) std::abort();
}

/// A host with a folder to which files come, and one to which a tree comes; links lead out of both. What is beside them
/// may not change.
class Host {
  public:
    Host() {
        for (const char* name : {"root", "tree"}) {
            const sys::Path folder = at(name);
            std::filesystem::create_directories(folder / "images");
            sys::write_new_file(folder / "images/there", "there", 0600);
            std::filesystem::create_symlink("..", folder / "up");
            std::filesystem::create_symlink("../outside", folder / "out");
        }
        sys::write_new_file(at("outside"), "outside", 0600);
        before_ = beside();
    }

    void hear(std::string_view stream) const {
        sys::UniqueFd in = sys::memory_file("stream");
        sys::write_all(in.get(), stream, "the stream");
        (void)::lseek(in.get(), 0, SEEK_SET);
        sys::Interrupts never = sys::Interrupts::none();
        move::Channel channel(std::move(in), sys::open_path("/dev/null", O_WRONLY));
        (void)channel.greet(never);
        for (;;) obey(channel, channel.receive(never), never);
    }

    void check() const {
        if (beside() != before_) std::abort();
    }

  private:
    sys::Path at(const char* name) const { return folder_.path() / name; }

    void obey(move::Channel& channel, const move::Frame& frame, sys::Interrupts& never) const {
        if (frame.has_tree()) move::receive_tree(channel, frame.tree(), at("tree"), -1, never);
        if (frame.has_file()) (void)move::receive_file(channel, frame.file(), at("root"), never);
        if (frame.has_offer()) (void)store::parse_manifest(frame.offer().manifest(), "the offer");
    }

    std::string beside() const {
        struct stat info {};
        if (::stat(at("outside").c_str(), &info) != 0) return "";
        std::string seen = sys::read_file(at("outside")) + " " + std::to_string(info.st_mtim.tv_sec) + "." +
                           std::to_string(info.st_mtim.tv_nsec);
        for (const std::string& name : sys::list_directory(folder_.path())) seen += " " + name;
        return seen;
    }

    fuzz::Folder folder_;
    std::string before_;
};

/// What is run as rsync: a program that says something and ends. rsync's own readers are rsync's affair.
class NoRsync {
  public:
    NoRsync() {
        std::filesystem::create_symlink("/bin/echo", folder_.path() / "rsync");
        (void)::setenv("PATH", folder_.path().c_str(), 1);
    }

  private:
    fuzz::Folder folder_;
};

void be_a_host(std::string_view stream) {
    static const NoRsync no_rsync;
    const Host host;
    try {
        host.hear(stream);
    } catch (const Error&) {
        // Refused with a reason: as it should be.
    }
    host.check();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] == 'r') read_frames(text);
    if (data[0] == 'h') be_a_host(text);
    return 0;
}
