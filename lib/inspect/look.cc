#include "lib/inspect/look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "lib/base/error.h"

namespace stasis::inspect {
namespace {

/// CRIU's default; a deleted file above it fails the dump.
constexpr std::uint64_t kDefaultGhostLimit = 1 << 20;

constexpr std::string_view kDeleted = " (deleted)";

std::vector<proc::Stat> find_strangers(const std::vector<proc::Stat>& processes, const std::vector<proc::Stat>& tree) {
    const pid_t root = tree.front().id.pid;
    const std::uint64_t pids = proc::namespace_inode(root, "pid");
    std::vector<proc::Stat> strangers;
    if (pids == proc::namespace_inode(::getpid(), "pid")) return strangers;
    std::set<pid_t> known;
    for (const proc::Stat& task : tree) known.insert(task.id.pid);
    for (const proc::Stat& process : processes)
        if (process.state != 'Z' && !known.contains(process.id.pid) && proc::namespace_inode(process.id.pid, "pid") == pids)
            strangers.push_back(process);
    return strangers;
}

/// Bytes of anonymous and shared memory (RssAnon and RssShmem of /proc/PID/status).
std::uint64_t memory_of(pid_t pid) {
    std::uint64_t kilobytes = 0;
    std::istringstream stream(sys::read_file_if_exists(fmt::format("/proc/{}/status", pid)).value_or(""));
    for (std::string line; std::getline(stream, line);) {
        if (!line.starts_with("RssAnon:") && !line.starts_with("RssShmem:")) continue;
        std::istringstream fields(line.substr(line.find(':') + 1));
        std::uint64_t value = 0;
        fields >> value;
        kilobytes += value;
    }
    return kilobytes * 1024;
}

/// The size of the largest file that has no name any more; sockets and the like have none.
class GhostFiles {
  public:
    void see(const std::string& link) {
        struct stat info {};
        if (::stat(link.c_str(), &info) < 0 || !S_ISREG(info.st_mode)) return;
        if (info.st_nlink == 0) largest_ = std::max(largest_, static_cast<std::uint64_t>(info.st_size));
    }
    std::uint64_t largest() const { return largest_; }

  private:
    std::uint64_t largest_ = 0;
};

std::string without_root(const std::string& path) { return path.starts_with("/") ? path.substr(1) : path; }

void look_at_files(const proc::Stat& task, Look& result, GhostFiles& ghosts) {
    const pid_t pid = task.id.pid;
    for (const proc::OpenFile& file : proc::open_files(pid)) {
        if (file.target.ends_with(kDeleted)) ghosts.see(fmt::format("/proc/{}/fd/{}", pid, file.number));
        if ((file.flags & O_ACCMODE) != O_RDONLY && file.target.starts_with("/"))
            result.written.insert(without_root(file.target));
    }
    for (const proc::FileMapping& mapping : proc::file_mappings(pid)) {
        if (mapping.path.ends_with(kDeleted))
            ghosts.see(fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, mapping.start, mapping.end));
        if (mapping.shared && mapping.writable) result.written.insert(without_root(mapping.path));
    }
}

/// What most trees need, and what does no harm to the others.
OptionList standing_options() {
    return {{"tcp-established", "", "open TCP connections are kept"},
            {"skip-in-flight", "", "TCP connections still being made are left out; clients try again"},
            {"file-locks", "", "file locks are kept"},
            {"link-remap", "", "files that are open by a removed name but have another one are found again"},
            {"evasive-devices", "", "device nodes that were replaced are opened by their new name"},
            {"enable-external-masters", "", "mounts may receive from masters outside"},
            {"enable-external-sharing", "", "mounts may be shared with outside"},
            {"orphan-pts-master", "", "a console keeps working although its other end is held outside"}};
}

void check_permissions(const std::vector<proc::Stat>& tasks, std::vector<Blocker>& blockers) {
    // The only place to learn about our own bounding set without libcap: /proc/self/status.
    constexpr unsigned kSysResource = 24;  // CAP_SYS_RESOURCE
    std::istringstream stream(sys::read_file("/proc/self/status"));
    std::uint64_t effective = ~std::uint64_t{0};
    for (std::string line; std::getline(stream, line);)
        if (line.starts_with("CapEff:")) effective = std::stoull(line.substr(7), nullptr, 16);
    if ((effective >> kSysResource & 1) != 0) return;
    const std::uint64_t own_users = proc::namespace_inode(::getpid(), "user");
    for (const proc::Stat& task : tasks)
        if (proc::uid_of(task.id.pid) != 0 && proc::namespace_inode(task.id.pid, "user") == own_users)
            blockers.push_back({fmt::format("pid {} ({}) belongs to user {}, whose limits CRIU can't read here without CAP_SYS_RESOURCE",
                                            task.id.pid, task.command, proc::uid_of(task.id.pid)),
                                "run stasis with the capability CAP_SYS_RESOURCE, or the container in a user namespace"});
}

/// Does the network namespace hold a TCP socket that has a peer (any state but TIME_WAIT and LISTEN)?
bool has_connections(pid_t pid) {
    constexpr std::string_view kTimeWait = "06";
    constexpr std::string_view kListen = "0A";
    for (const char* table : {"tcp", "tcp6"}) {
        std::istringstream lines(sys::read_file_if_exists(fmt::format("/proc/{}/net/{}", pid, table)).value_or(""));
        std::string line;
        std::getline(lines, line);  // the heading
        while (std::getline(lines, line)) {
            std::istringstream fields(line);
            std::string number, local, remote, state;
            fields >> number >> local >> remote >> state;
            if (state != kTimeWait && state != kListen) return true;
        }
    }
    return false;
}

/// A lock in a namespace that outlives its target stays until a restore: only where it is needed.
Option choose_network_lock(pid_t pid, const LookOptions& options) {
    if (options.network_outlives_target && !has_connections(pid))
        return {"network-lock", "skip", "there is no TCP connection to lock"};
    if (options.has_nftables)
        return {"network-lock", "nftables", "its connections are closed to packets while it stands still"};
    return {"network-lock", "iptables", "its connections are closed to packets while it stands still; nft is missing"};
}

}  // namespace

Look look(const proc::Identity& root, const LookOptions& options) {
    Look result;
    const std::vector<proc::Stat> processes = proc::all_processes();
    result.tasks = proc::tree_of(root.pid, processes);
    if (result.tasks.empty() || result.tasks.front().id != root)
        throw Error(Kind::not_found, fmt::format("process {} ended while we looked at it", root.pid));
    result.strangers = find_strangers(processes, result.tasks);

    GhostFiles ghosts;
    for (const proc::Stat& task : result.tasks) {
        look_at_files(task, result, ghosts);
        result.memory_bytes += memory_of(task.id.pid);
    }
    if (proc::is_ancestor(root.pid, ::getpid()))
        result.blockers.push_back({fmt::format("pid {} is an ancestor of stasis itself, which can't freeze itself", root.pid),
                                   "run stasis from outside, for example from another terminal or a service"});
    check_permissions(result.tasks, result.blockers);

    result.options = standing_options();
    if (ghosts.largest() > kDefaultGhostLimit)
        result.options.push_back({"ghost-limit", std::to_string(std::min<std::uint64_t>(ghosts.largest(), UINT32_MAX)), "the size of the largest deleted file that is still open"});
    result.options.push_back(choose_network_lock(root.pid, options));
    return result;
}

std::set<std::string> written_files(const proc::Identity& root) {
    Look result;
    GhostFiles ignored;
    for (const proc::Stat& task : proc::tree_of(root.pid, proc::all_processes())) look_at_files(task, result, ignored);
    return result.written;
}

}  // namespace stasis::inspect
