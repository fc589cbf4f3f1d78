#include "lib/inspect/options.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/inspect/connections.h"
#include "lib/inspect/mounts.h"
#include "lib/inspect/watches.h"

namespace stasis::inspect {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;

/// CRIU's default; a deleted file above it fails the dump.
constexpr std::uint64_t kDefaultGhostLimit = kMebibyte;

/// CRIU gives up when it has not stopped all threads in this time, whatever the dump takes afterwards (criu(8),
/// --timeout; its alarm is off again at the end of collect_pstree in criu/seize.c).
constexpr int kDefaultTimeoutSeconds = 10;

/// On a busy host; an idle one stops ten times as many.
constexpr int kThreadsStoppedPerSecond = 1000;

/// Deleted files that are still open or mapped, which CRIU keeps in the images.
struct Ghosts {
    std::uint64_t largest = 0;
    bool sparse = false;
};

void see(const std::string& link, Ghosts& ghosts) {
    struct stat info {};
    constexpr std::uint64_t kBlock = 512;
    if (::stat(link.c_str(), &info) < 0 || !S_ISREG(info.st_mode) || info.st_nlink != 0) return;
    const auto size = static_cast<std::uint64_t>(info.st_size);
    const std::uint64_t taken = static_cast<std::uint64_t>(info.st_blocks) * kBlock;
    ghosts.largest = std::max({ghosts.largest, size, taken});  // CRIU compares the blocks (criu/files-reg.c)
    if (taken + kMebibyte < size) ghosts.sparse = true;
}

Ghosts find_ghosts(const Scene& scene) {
    constexpr std::string_view kDeleted = " (deleted)";
    Ghosts ghosts;
    for (const Task& task : scene.tasks) {
        for (const proc::Descriptor& descriptor : task.descriptors)
            if (descriptor.target.ends_with(kDeleted))
                see(fmt::format("/proc/{}/fd/{}", task.pid(), descriptor.number), ghosts);
        for (const proc::FileMapping& mapping : task.mappings)
            if (mapping.path.ends_with(kDeleted))
                see(fmt::format("/proc/{}/map_files/{:x}-{:x}", task.pid(), mapping.start, mapping.end), ghosts);
    }
    return ghosts;
}

void choose_tcp(const std::vector<proc::TcpSocket>& connections, Tcp tcp, OptionList& options) {
    const std::string seen = connections.empty() ? "none is open now, one may be by then" : describe(connections);
    if (tcp == Tcp::close)
        options.push_back({"tcp-close", "", "TCP connections are to be closed at the restore (--tcp close): " + seen});
    if (tcp == Tcp::keep) options.push_back({"tcp-established", "", "open TCP connections are kept: " + seen});
    options.push_back({"skip-in-flight", "", "TCP connections still being made are left out; clients try again"});
}

/// A datagram socket that is connected to one outside, /dev/log for example, finds it again by its name.
void choose_unix(const Scene& scene, OptionList& options) {
    for (const proc::Sockets& network : scene.networks)
        for (const proc::UnixSocket& socket : network.of_unix)
            if (socket.type == SOCK_DGRAM && socket.peer != 0 && scene.sockets.contains(socket.inode) &&
                !scene.sockets.contains(socket.peer)) {
                options.push_back(
                    {"ext-unix-sk", "", "a datagram socket sends to a process outside (syslog, for example)"});
                return;
            }
}

/// A lock in a namespace that outlives its target stays until a restore: only where it is needed.
void choose_network_lock(const Scene& scene, bool connected, OptionList& options) {
    const bool is_skipped = scene.surroundings.network_outlives_target && !connected;
    if (is_skipped)
        options.push_back({"network-lock", "skip", "there is no TCP connection to lock"});
    else if (scene.surroundings.has_nftables)
        options.push_back({"network-lock", "nftables", "its connections are closed to packets while it stands still"});
    else
        options.push_back({"network-lock", "iptables",
                           "its connections are closed to packets while it stands still; nft is missing"});
}

void choose_timeout(const Scene& scene, OptionList& options) {
    int threads = 0;
    for (const Task& task : scene.tasks) threads += task.status.threads;
    const int seconds = threads / kThreadsStoppedPerSecond;
    if (seconds == 0) return;
    options.push_back({"timeout", std::to_string(kDefaultTimeoutSeconds + seconds),
                       fmt::format("{} threads have to be stopped even where the host is busy", threads)});
}

}  // namespace

Tcp tcp_from(const std::string& name) {
    if (name == "keep") return Tcp::keep;
    if (name == "close") return Tcp::close;
    if (name == "fail") return Tcp::fail;
    throw Error(Kind::usage, "'" + name + "' is nothing that can become of TCP connections")
        .hint("keep, close or fail");
}

OptionList choose_options(const Scene& scene, Tcp tcp) {
    OptionList options;
    const std::vector<proc::TcpSocket> connections = connections_of(scene);
    choose_tcp(connections, tcp, options);
    choose_unix(scene, options);
    const OptionList standing{
        {"file-locks", "", "file locks are kept"},
        {"link-remap", "", "files that are open by a removed name but have another one are found again"},
        {"evasive-devices", "", "device nodes that were replaced are opened by their new name"},
        {"enable-external-masters", "", "mounts may receive from masters outside"},
        {"enable-external-sharing", "", "mounts may be shared with outside"},
        {"orphan-pts-master", "", "a console keeps working although its other end is held outside"}};
    options.insert(options.end(), standing.begin(), standing.end());
    const Ghosts ghosts = find_ghosts(scene);
    if (ghosts.largest > kDefaultGhostLimit)
        options.push_back({"ghost-limit", std::to_string(std::min<std::uint64_t>(2 * ghosts.largest, UINT32_MAX)),
                           "a deleted file that is still open is large, and may grow"});
    if (ghosts.sparse)
        options.push_back({"ghost-fiemap", "", "a deleted file that is still open has holes, which need no space"});
    choose_watches(scene, options);
    choose_file_systems(scene, options);
    choose_network_lock(scene, !connections.empty() && tcp == Tcp::keep, options);
    choose_timeout(scene, options);
    return options;
}

}  // namespace stasis::inspect
