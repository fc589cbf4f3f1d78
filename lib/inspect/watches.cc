#include "lib/inspect/watches.h"

#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

namespace stasis::inspect {
namespace {

/// The inodes in the lines "inotify wd:1 ino:9e7e sdev:800013 …" and "fanotify ino:9e7e sdev:800013 …" of a
/// descriptor's fdinfo (proc_pid_fdinfo(5)).
void add_watched(pid_t pid, int number, std::set<std::uint64_t>& inodes) {
    constexpr std::string_view kKey = "ino:";
    for (const auto& [name, text] : proc::descriptor_info(pid, number)) {
        if (name != "inotify wd" && name != "fanotify ino") continue;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            const std::size_t key = line.find(kKey);
            const std::size_t digits = key == std::string::npos ? 0 : key + kKey.size();
            inodes.insert(std::stoull(line.substr(digits), nullptr, 16));
        }
    }
}

bool is_watcher(const proc::Descriptor& descriptor) {
    return descriptor.target == "anon_inode:inotify" || descriptor.target == "anon_inode:[fanotify]";
}

/// Names of these inodes in the root file system of a task; takes what it has found out of `inodes`.
std::vector<std::string> find_names(pid_t pid, std::set<std::uint64_t>& inodes) {
    constexpr int kMostEntries = 200'000;
    const std::filesystem::path root = fmt::format("/proc/{}/root/", pid);
    std::vector<std::string> names;
    std::error_code ended;
    struct stat top {};
    if (::stat(root.c_str(), &top) < 0) return names;
    if (inodes.erase(top.st_ino) > 0) names.emplace_back("/");
    const auto options = std::filesystem::directory_options::skip_permission_denied;
    std::filesystem::recursive_directory_iterator at(root, options, ended);
    for (int left = kMostEntries; !ended && at != end(at) && left > 0 && !inodes.empty(); at.increment(ended), --left) {
        struct stat info {};
        if (::lstat(at->path().c_str(), &info) < 0) continue;
        if (S_ISDIR(info.st_mode) && info.st_dev != top.st_dev)
            at.disable_recursion_pending();
        else if (inodes.erase(info.st_ino) > 0)
            names.push_back("/" + at->path().lexically_relative(root).string());
    }
    return names;
}

bool has_lasting_handles(const std::string& type) { return type != "overlay" && type != "nfs" && type != "nfs4"; }

}  // namespace

void choose_watches(const Scene& scene, OptionList& options) {
    std::set<std::uint64_t> inodes;
    for (const Task& task : scene.tasks)
        for (const proc::Descriptor& descriptor : task.descriptors)
            if (is_watcher(descriptor)) add_watched(task.pid(), descriptor.number, inodes);
    if (inodes.empty()) return;
    for (const proc::Mount& mount : proc::mounts(scene.root().pid())) {
        if (mount.mount_point != "/" || has_lasting_handles(mount.type)) continue;
        options.push_back(
            {"force-irmap", "",
             "files are watched (inotify, fanotify) on " + mount.type + ", whose inodes have no lasting handle"});
        for (const std::string& name : find_names(scene.root().pid(), inodes))
            options.push_back({"irmap-scan-path", name, "it is watched"});
        return;
    }
}

}  // namespace stasis::inspect
