#include "lib/inspect/watches.h"

#include <fts.h>
#include <sys/stat.h>

#include <array>
#include <memory>
#include <set>
#include <sstream>

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
    std::string root = fmt::format("/proc/{}/root/", pid);
    const std::array<char*, 2> roots{root.data(), nullptr};
    const auto close = [](FTS* tree) { (void)::fts_close(tree); };
    const std::unique_ptr<FTS, decltype(close)> tree(
        ::fts_open(roots.data(), FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr), close);
    std::vector<std::string> names;
    for (int left = kMostEntries; tree && left > 0 && !inodes.empty(); --left) {
        const FTSENT* entry = ::fts_read(tree.get());
        if (entry == nullptr) break;
        // Each folder comes a second time, after what is in it; one that has vanished is passed over.
        const bool has_info = entry->fts_info != FTS_DP && entry->fts_info != FTS_NS;
        if (has_info && inodes.erase(entry->fts_statp->st_ino) > 0)
            names.push_back("/" + std::string(entry->fts_path).substr(root.size()));
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
