#include "lib/proc/process.h"

#include <poll.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/proc/steady.h"

namespace stasis::proc {
namespace {

Path proc_path(pid_t pid, const std::string& name) { return "/proc/" + std::to_string(pid) + "/" + name; }

std::optional<int> parse_number(const std::string& text) {
    int value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(const std::string& text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            result.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)));
            i += 3;
        } else {
            result.push_back(text[i]);
        }
    }
    return result;
}

std::vector<std::string> lines_of(const std::optional<std::string>& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text.value_or(""));
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

/// One of `pids` that a task, or a zombie, holds: as its own, or as its process group or session.
std::optional<pid_t> first_taken(const std::set<pid_t>& pids) {
    for (const pid_t pid : pids)
        if (read_stat(pid)) return pid;
    for (const Stat& process : all_processes())
        for (const pid_t held : {process.process_group, process.session})
            if (pids.contains(held)) return held;
    return std::nullopt;
}

/// A process may end while we read it: what is gone, ends just now (its mountinfo is EINVAL by then), or is a zombie
/// counts as empty.
std::vector<std::string> lines_of_process_file(pid_t pid, const std::string& name) {
    try {
        return lines_of(sys::read_file_if_exists(proc_path(pid, name)));
    } catch (const Error&) {
        if (const std::optional<Stat> stat = read_stat(pid); stat && stat->state != 'Z' && !stat->exiting) throw;
        return {};
    }
}

std::optional<Stat> stat_from(pid_t pid, const Path& file) {
    std::optional<std::string> text;
    try {
        text = sys::read_file_if_exists(file);
    } catch (const Error&) {
        return std::nullopt;  // it ended between open and read
    }
    if (!text) return std::nullopt;
    // The command may hold spaces and parentheses: the last ')' ends it.
    const std::size_t open = text->find('(');
    const std::size_t close = text->rfind(')');
    if (open == std::string::npos || close == std::string::npos) return std::nullopt;
    Stat stat;
    stat.id.pid = pid;
    stat.command = text->substr(open + 1, close - open - 1);
    std::istringstream fields(text->substr(close + 2));
    std::string skipped;
    unsigned long flags = 0;
    constexpr unsigned long kExiting = 4;  // PF_EXITING
    // Fields 3 to 9 of proc(5), of which the terminal's process group is left out, and the start, 22.
    fields >> stat.state >> stat.parent >> stat.process_group >> stat.session >> stat.terminal >> skipped >> flags;
    stat.exiting = (flags & kExiting) != 0;
    constexpr int kFieldsBetweenFlagsAndStart = 12;
    for (int i = 0; i < kFieldsBetweenFlagsAndStart; ++i) fields >> skipped;
    fields >> stat.id.start_time;
    return fields ? std::optional(stat) : std::nullopt;
}

}  // namespace

std::chrono::microseconds uptime() {
    timespec now{};
    (void)::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::seconds(now.tv_sec) +
                                                                 std::chrono::nanoseconds(now.tv_nsec));
}

std::optional<Stat> read_stat(pid_t pid) { return stat_from(pid, proc_path(pid, "stat")); }

std::vector<Stat> threads_of(pid_t pid) {
    std::vector<Stat> result;
    for (const std::string& name : sys::list_directory(proc_path(pid, "task")))
        if (const std::optional<int> thread = parse_number(name))
            if (const std::optional<Stat> stat = stat_from(*thread, proc_path(pid, "task/" + name + "/stat")))
                result.push_back(*stat);
    return result;
}

Status read_status(pid_t pid) {
    Status status;
    for (const std::string& line : lines_of_process_file(pid, "status")) {
        std::istringstream fields(line);
        std::string key;
        std::uint64_t value = 0;
        fields >> key >> value;
        if (key == "TracerPid:") status.tracer = static_cast<pid_t>(value);
        if (key == "Uid:") fields >> status.uid;  // the real one comes first
        if (key == "Threads:") status.threads = static_cast<int>(value);
        if (key == "voluntary_ctxt_switches:") status.waits = value;
        if (key == "RssAnon:" || key == "VmSwap:" || key == "HugetlbPages:") status.own_bytes += value * 1024;
        if (key == "RssShmem:") status.shared_bytes = value * 1024;
    }
    return status;
}

std::string waits_in(pid_t pid) {
    const std::vector<std::string> lines = lines_of_process_file(pid, "wchan");
    return lines.empty() || lines.front() == "0" ? "" : lines.front();
}

std::uint64_t bytes_read(pid_t pid) {
    std::ifstream counts("/proc/" + std::to_string(pid) + "/io");
    std::string name;
    std::uint64_t value = 0;
    while (counts >> name >> value)
        if (name == "rchar:") return value;
    return 0;
}

bool is_alive(const Identity& id) {
    const std::optional<Stat> stat = read_stat(id.pid);
    return stat && stat->id == id && stat->state != 'Z' && stat->state != 'X';
}

bool is_ending(const Identity& id) {
    constexpr std::uint64_t kKillPending = 1ULL << (SIGKILL - 1);
    for (const std::string& line : lines_of_process_file(id.pid, "status"))
        if (line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"))
            if ((std::stoull(line.substr(line.find(':') + 1), nullptr, 16) & kKillPending) != 0) return is_alive(id);
    const std::optional<Stat> stat = read_stat(id.pid);
    return stat && stat->exiting && is_alive(id);
}

bool wait_until_ended(const Identity& id, int timeout_ms) {
    const sys::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0)));
    pollfd ended{pidfd.get(), POLLIN, 0};
    if (!pidfd || !is_alive(id)) return true;
    return ::poll(&ended, 1, timeout_ms) == 1;
}

bool kill_and_wait(const Identity& id) {
    constexpr int kDeathTimeoutMs = 10'000;
    // The pidfd is taken before the check: what it names can't change under us afterwards.
    const sys::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0)));
    if (!pidfd || !is_alive(id)) return true;
    (void)::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
    return wait_until_ended(id, kDeathTimeoutMs);
}

std::optional<pid_t> wait_until_free(const std::set<pid_t>& pids, int timeout_ms) {
    // Only the parent sees a zombie vanish; others can but look again.
    constexpr auto kBetweenLooks = std::chrono::milliseconds(2);
    const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
    std::optional<pid_t> taken = first_taken(pids);
    for (; taken && Clock::now() < end; taken = first_taken(pids)) std::this_thread::sleep_for(kBetweenLooks);
    return taken;
}

std::vector<Stat> all_processes() {
    std::vector<Stat> result;
    for (const std::string& name : sys::list_directory("/proc"))
        if (const std::optional<int> pid = parse_number(name))
            if (const std::optional<Stat> stat = read_stat(*pid)) result.push_back(*stat);
    // A parent that ended before its turn came: its children have another one by now.
    std::set<pid_t> read;
    for (const Stat& stat : result) read.insert(stat.id.pid);
    for (Stat& stat : result)
        if (stat.parent != 0 && !read.contains(stat.parent)) stat = read_stat(stat.id.pid).value_or(stat);
    return result;
}

std::vector<Stat> tree_of(pid_t root, const std::vector<Stat>& processes) {
    std::multimap<pid_t, const Stat*> children;
    std::vector<Stat> result;
    for (const Stat& stat : processes) {
        if (stat.id.pid == root) result.push_back(stat);
        children.emplace(stat.parent, &stat);
    }
    for (std::size_t i = 0; i < result.size(); ++i) {
        const auto [first, last] = children.equal_range(result[i].id.pid);
        for (auto child = first; child != last; ++child) result.push_back(*child->second);
    }
    return result;
}

void continue_tree(pid_t root) {
    const std::vector<Stat> tree = tree_of(root, all_processes());
    for (auto task = tree.rbegin(); task != tree.rend(); ++task) (void)::kill(task->id.pid, SIGCONT);
}

void stop_tree(pid_t root) {
    for (const Stat& task : tree_of(root, all_processes())) (void)::kill(task.id.pid, SIGSTOP);
}

void kill_tree(const Identity& root) {
    // What they fork before they end is found by the next look.
    for (bool found = is_alive(root); found;) {
        found = false;
        const std::vector<Stat> tree = tree_of(root.pid, all_processes());
        for (auto task = tree.rbegin(); task != tree.rend(); ++task)
            if (is_alive(task->id)) found = kill_and_wait(task->id) || found;
    }
}

bool is_ancestor(pid_t ancestor, pid_t pid) {
    for (std::optional<Stat> stat = read_stat(pid); stat; stat = read_stat(stat->parent)) {
        if (stat->id.pid == ancestor) return true;
        if (stat->parent <= 0) return false;
    }
    return false;
}

std::vector<OpenFile> open_files(pid_t pid) {
    std::vector<OpenFile> result;
    for (const std::string& name : sys::list_directory(proc_path(pid, "fd"))) {
        OpenFile file;
        const auto look = [&](const std::string& target) {
            file = {};
            file.number = parse_number(name).value_or(-1);
            file.target = target;
            for (const std::string& line : lines_of_process_file(pid, "fdinfo/" + name)) {
                std::istringstream fields(line);
                std::string key;
                fields >> key;
                if (key == "pos:") fields >> file.offset;
                if (key == "flags:") fields >> std::oct >> file.flags >> std::dec;
                if (key == "mnt_id:") fields >> file.mount_id;
                if (key == "ino:") fields >> file.inode;
            }
            return true;
        };
        if (look_steadily([&] { return sys::read_link(proc_path(pid, "fd/" + name)); }, look)) result.push_back(file);
    }
    return result;
}

std::vector<FileMapping> file_mappings(pid_t pid) {
    std::vector<FileMapping> result;
    for (const std::string& line : lines_of_process_file(pid, "maps")) {
        FileMapping mapping;
        std::istringstream fields(line);
        std::string permissions, offset, device, inode;
        char dash = 0;
        fields >> std::hex >> mapping.start >> dash >> mapping.end >> permissions >> offset >> device >> inode >>
            std::ws;
        std::getline(fields, mapping.path);
        if (mapping.path.empty() || mapping.path.starts_with("[")) continue;  // [heap], [vdso] …
        mapping.writable = permissions.find('w') != std::string::npos;
        mapping.shared = permissions.find('s') != std::string::npos;
        result.push_back(std::move(mapping));
    }
    return result;
}

std::vector<Mount> mounts(pid_t pid) {
    std::vector<Mount> result;
    for (const std::string& line : lines_of_process_file(pid, "mountinfo")) {
        std::istringstream fields(line);
        Mount mount;
        fields >> mount.id >> mount.parent_id >> mount.device >> mount.root >> mount.mount_point >> mount.options;
        for (std::string field; fields >> field && field != "-";) {
            if (field.starts_with("shared:")) mount.shared = true;
            if (field.starts_with("master:")) mount.slave = true;
        }
        fields >> mount.type >> mount.source >> mount.super_options;
        mount.root = unescape(mount.root);
        mount.mount_point = unescape(mount.mount_point);
        mount.source = unescape(mount.source);
        result.push_back(mount);
    }
    return result;
}

std::vector<CgroupMembership> cgroups(pid_t pid) {
    std::vector<CgroupMembership> result;
    for (const std::string& line : lines_of_process_file(pid, "cgroup")) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        result.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
    }
    return result;
}

std::uint64_t namespace_inode(pid_t pid, const std::string& type) {
    struct stat info {};
    return ::stat(proc_path(pid, "ns/" + type).c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace stasis::proc
