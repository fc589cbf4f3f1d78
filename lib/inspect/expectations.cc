#include "lib/inspect/expectations.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "lib/proc/descriptors.h"
#include "lib/proc/elf.h"
#include "lib/proc/sockets.h"

namespace stasis::inspect {
namespace {

bool lies_below(const std::string& path, const std::string& folder) {
    return folder == "/" || path == folder || path.starts_with(folder + "/");
}

bool is_same_file(const struct stat& one, const struct stat& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/// CRIU compares no size for what is only appended to (4.2, should_check_size in criu/files-reg.c): logs grow.
bool may_grow(pid_t pid, const proc::Descriptor& descriptor) {
    if (!descriptor.writable) return false;
    const auto info = proc::descriptor_info(pid, descriptor.number);
    const auto field = info.find("flags");
    const unsigned long flags = field == info.end() ? 0 : std::stoul(field->second, nullptr, 8);
    return (flags & O_ACCMODE) == O_WRONLY && (flags & O_APPEND) != 0;
}

/// The files of a tree, each once, however many tasks use it.
class FileCollector {
  public:
    /// `root` is how we reach what the target calls "/".
    FileCollector(const std::vector<OutsidePlace>& places, std::string root)
        : places_(places), root_(std::move(root)) {}

    void see_task(pid_t pid) {
        const std::string folder = fmt::format("/proc/{}", pid);
        for (const proc::Descriptor& file : proc::descriptors(pid))
            if (file.is_path()) see(file.target, fmt::format("{}/fd/{}", folder, file.number), may_grow(pid, file));
        for (const proc::FileMapping& mapping : proc::file_mappings(pid))
            see(mapping.path, root_ + mapping.path, false);
        for (const char* link : {"exe", "cwd", "root"})
            see(sys::read_link(folder + "/" + link).value_or(""), folder + "/" + link, false);
    }
    std::vector<ExpectedFile> files() const {
        std::vector<ExpectedFile> result;
        for (const auto& [path, file] : files_) {
            if (!file) continue;
            result.push_back(*file);
            if (!sized_.contains(path)) result.back().size.reset();
        }
        return result;
    }

  private:
    /// `path` as the target sees it, `link` a way to the very file.
    void see(const std::string& path, const std::string& link, bool any_size) {
        const std::string host = on_host(path);
        if (host.empty()) return;
        if (!any_size) sized_.insert(host);
        if (!files_.contains(host)) files_.emplace(host, look_at_same(host, link));
    }

    /// A deleted file has no path, and the checkpoint holds it; devices are no one's to compare.
    static std::optional<ExpectedFile> look_at_same(const std::string& host, const std::string& link) {
        struct stat seen {};
        struct stat named {};
        if (::stat(link.c_str(), &seen) < 0 || ::stat(host.c_str(), &named) < 0) return std::nullopt;
        if (!is_same_file(seen, named) || (!S_ISREG(named.st_mode) && !S_ISDIR(named.st_mode))) return std::nullopt;
        return look_at_file(host);
    }

    /// Where the host has a path of the target's, or "" for what is not outside. The kernel's own file
    /// systems are made anew, whatever their files were.
    std::string on_host(const std::string& path) const {
        if (!path.starts_with("/") || lies_below(path, "/proc") || lies_below(path, "/sys")) return "";
        const OutsidePlace* closest = nullptr;
        for (const OutsidePlace& place : places_)
            if (lies_below(path, place.inside) && (closest == nullptr || closest->inside.size() < place.inside.size()))
                closest = &place;
        if (closest == nullptr) return "";
        const std::string rest = closest->inside == "/" ? path : path.substr(closest->inside.size());
        return closest->host == "/" ? path : closest->host + rest;
    }

    const std::vector<OutsidePlace>& places_;
    std::string root_;
    std::map<std::string, std::optional<ExpectedFile>> files_;
    std::set<std::string> sized_;  ///< those whose size counts for some task
};

/// Pids that must be free, threads' among them. Sessions and groups too: a pid whose process is gone is not
/// free as long as it is the number of a group or session, and CRIU makes a helper with that pid.
std::vector<pid_t> needed_pids(const std::vector<proc::Stat>& tasks) {
    std::set<pid_t> pids;
    for (const proc::Stat& task : tasks) {
        for (const std::string& thread : sys::list_directory(fmt::format("/proc/{}/task", task.id.pid)))
            pids.insert(std::stoi(thread));
        pids.insert({task.id.pid, task.session, task.process_group});
    }
    // A job of a shell joins the session and group of its restorer (CRIU 4.2, prepare_pstree_for_shell_job).
    const proc::Stat& root = tasks.front();
    if (root.session != root.id.pid) pids.erase(root.session);
    if (root.session != root.id.pid && root.process_group != root.id.pid) pids.erase(root.process_group);
    pids.erase(0);  // a leader outside this pid namespace
    return {pids.begin(), pids.end()};
}

void record_sockets(const std::vector<proc::Stat>& tasks, Expectations& result) {
    std::set<std::uint64_t> own;
    for (const proc::Stat& task : tasks)
        for (const std::uint64_t inode : proc::socket_inodes(task.id.pid)) own.insert(inode);
    if (own.empty()) return;
    std::set<std::string> addresses;
    std::set<ExpectedListener> listeners;
    for (const proc::TcpSocket& socket : proc::sockets_of(tasks.front().id.pid).of_tcp) {
        if (!own.contains(socket.inode)) continue;
        if (socket.connected()) addresses.insert(socket.address);
        if (socket.listens()) listeners.insert({socket.address, socket.port});
    }
    result.addresses.assign(addresses.begin(), addresses.end());
    result.listeners.assign(listeners.begin(), listeners.end());
}

std::vector<std::string> words_of(std::string text, char separator) {
    std::replace(text.begin(), text.end(), separator, ' ');
    std::istringstream stream(text);
    return {std::istream_iterator<std::string>(stream), {}};
}

/// The groups of a process, with the controllers that the unified hierarchy gives to `unified_group`.
ExpectedCgroups cgroups_of(pid_t pid, bool whole_host) {
    bool numbered = false;
    bool unified = false;
    std::set<std::string> controllers;
    const std::vector<proc::Mount> mounts = proc::mounts(::getpid());
    for (const proc::CgroupMembership& group : proc::cgroups(pid)) {
        (group.controllers.empty() ? unified : numbered) = true;
        for (const std::string& name : words_of(group.controllers, ',')) controllers.insert(name);
        if (!group.controllers.empty()) continue;
        for (const proc::Mount& mount : mounts) {
            if (mount.type != "cgroup2") continue;
            const std::string folder = mount.mount_point + (whole_host ? "" : group.path);
            const std::string list = sys::read_file_if_exists(folder + "/cgroup.controllers").value_or("");
            for (const std::string& name : words_of(list, '\n')) controllers.insert(name);
            break;
        }
    }
    return {!numbered ? "v2" : unified ? "hybrid" : "v1", {controllers.begin(), controllers.end()}};
}

/// "NAME (MODE)" as AppArmor writes it; nothing for a task that is not confined.
std::string profile_name(std::string text) {
    while (text.ends_with('\n') || text.ends_with('\0')) text.pop_back();
    if (const std::size_t mode = text.rfind(" ("); mode != std::string::npos && text.ends_with(')')) text.resize(mode);
    return text == "unconfined" ? "" : text;
}

constexpr const char* kProfiles = "/sys/kernel/security/apparmor/profiles";

std::vector<std::string> profiles_of(const std::vector<proc::Stat>& tasks) {
    std::set<std::string> profiles;
    // Elsewhere attr/current is another module's.
    if (::access(kProfiles, F_OK) != 0) return {};
    for (const proc::Stat& task : tasks)
        if (const std::string name =
                profile_name(sys::read_file_if_exists(fmt::format("/proc/{}/attr/current", task.id.pid)).value_or(""));
            !name.empty())
            profiles.insert(name);
    return {profiles.begin(), profiles.end()};
}

}  // namespace

std::optional<ExpectedFile> look_at_file(const std::string& path) {
    constexpr std::int64_t kNanoseconds = 1'000'000'000;
    struct stat info {};
    if (::stat(path.c_str(), &info) < 0) return std::nullopt;
    ExpectedFile file;
    file.path = path;
    file.mode = info.st_mode;
    file.mtime_ns = info.st_mtim.tv_sec * kNanoseconds + info.st_mtim.tv_nsec;
    if (!S_ISREG(info.st_mode)) return file;
    file.size = static_cast<std::uint64_t>(info.st_size);
    const sys::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (fd) file.build_id = proc::build_id(fd.get());
    return file;
}

Expectations record_expectations(const proc::Identity& root, const Scope& scope) {
    Expectations result;
    const std::vector<proc::Stat> tasks = proc::tree_of(root.pid, proc::all_processes());
    if (tasks.empty()) return result;
    if (!scope.places.empty()) {
        const bool own_mounts = proc::namespace_inode(root.pid, "mnt") != proc::namespace_inode(::getpid(), "mnt");
        FileCollector files(scope.places, own_mounts ? fmt::format("/proc/{}/root", root.pid) : "");
        for (const proc::Stat& task : tasks) files.see_task(task.id.pid);
        result.files = files.files();
    }
    if (scope.same_pids) result.pids = needed_pids(tasks);
    if (scope.lasting_network) record_sockets(tasks, result);
    if (scope.own_cgroups) result.cgroups = cgroups_of(root.pid, false);
    result.profiles = profiles_of(tasks);
    return result;
}

ExpectedCgroups available_cgroups() { return cgroups_of(::getpid(), true); }

std::vector<std::string> loaded_profiles() {
    std::vector<std::string> names;
    std::istringstream lines(sys::read_file_if_exists(kProfiles).value_or(""));
    for (std::string line; std::getline(lines, line);)
        if (const std::string name = profile_name(line); !name.empty()) names.push_back(name);
    return names;
}

}  // namespace stasis::inspect
