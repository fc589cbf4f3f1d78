#include "lib/inspect/watches.h"

#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "lib/inspect/blockers.h"
#include "lib/inspect/scene.h"

namespace stasis::inspect {
namespace {

using Names = std::map<std::uint64_t, std::string>;  // by inode

/// As open_by_handle_at(2) takes it.
struct Handle {
    file_handle head;
    std::array<unsigned char, MAX_HANDLE_SZ> bytes;
};

/// The fields of "wd:1 ino:9e7e sdev:800013 mask:2 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e…", all
/// hexadecimal (proc_pid_fdinfo(5)).
std::map<std::string, std::string> fields_of(const std::string& line) {
    std::map<std::string, std::string> fields;
    std::istringstream words(line);
    for (std::string word; words >> word;)
        if (const std::size_t colon = word.find(':'); colon != std::string::npos)
            fields[word.substr(0, colon)] = word.substr(colon + 1);
    return fields;
}

std::uint64_t number_in(const std::map<std::string, std::string>& fields, const std::string& key) {
    const auto field = fields.find(key);
    return field == fields.end() ? 0 : std::stoull(field->second, nullptr, 16);
}

std::optional<Handle> handle_in(const std::map<std::string, std::string>& fields) {
    const auto text = fields.find("f_handle");
    const std::size_t size = number_in(fields, "fhandle-bytes");
    Handle handle{};
    if (text == fields.end() || size > handle.bytes.size() || text->second.size() < 2 * size) return std::nullopt;
    handle.head.handle_bytes = static_cast<unsigned>(size);
    handle.head.handle_type = static_cast<int>(number_in(fields, "fhandle-type"));
    for (std::size_t i = 0; i < size; ++i)
        handle.bytes[i] = static_cast<unsigned char>(std::stoul(text->second.substr(2 * i, 2), nullptr, 16));
    return handle;
}

struct Watched {
    Watch watch;
    std::optional<Handle> handle;
};

/// The lines "inotify wd:…" and "fanotify ino:…" of a descriptor.
void add_watched(const Task& task, const proc::Descriptor& descriptor, std::vector<Watched>& found) {
    for (const auto& [name, text] : proc::descriptor_info(task.pid(), descriptor.number)) {
        if (name != "inotify wd" && name != "fanotify ino") continue;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            // The name ends at the first colon.
            const auto fields = fields_of(name.substr(name.find(' ') + 1) + ":" + line);
            const std::uint64_t device = number_in(fields, "sdev");  // as the kernel has it: minor in 20 bits
            found.push_back({{task.text(descriptor), number_in(fields, "ino"),
                              fmt::format("{}:{}", device >> 20, device & 0xfffff), "", false},
                             handle_in(fields)});
        }
    }
}

bool is_watcher(const proc::Descriptor& descriptor) {
    return descriptor.target == "anon_inode:inotify" || descriptor.target == "anon_inode:[fanotify]";
}

/// Does CRIU find it, and its name, by its handle?
bool opens(const Handle& handle, const sys::Path& mount) {
    const sys::UniqueFd folder(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return false;
    Handle copy = handle;  // the kernel's interface is not const
    const sys::UniqueFd file(::open_by_handle_at(folder.get(), &copy.head, O_PATH | O_CLOEXEC));
    struct stat info {};
    return file && ::fstat(file.get(), &info) == 0 && info.st_nlink > 0;
}

/// Finds names of these inodes in the file system of `root`. False where it gave up.
bool find_names(const std::string& root, Names& names) {
    constexpr int kMostEntries = 200'000;
    std::string start = root + "/";
    const std::array<char*, 2> roots{start.data(), nullptr};
    const auto close = [](FTS* tree) { (void)::fts_close(tree); };
    const std::unique_ptr<FTS, decltype(close)> tree(
        ::fts_open(roots.data(), FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr), close);
    if (!tree) return false;
    auto missing = static_cast<std::size_t>(
        std::count_if(names.begin(), names.end(), [](const auto& name) { return name.second.empty(); }));
    for (int left = kMostEntries; missing > 0; --left) {
        const FTSENT* entry = ::fts_read(tree.get());
        if (entry == nullptr) return true;
        if (left == 0) return false;
        // Each folder comes a second time, after what is in it; one that has vanished is passed over.
        if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS) continue;
        const auto name = names.find(entry->fts_statp->st_ino);
        if (name == names.end() || !name->second.empty()) continue;
        name->second = "/" + std::string(entry->fts_path).substr(start.size());
        --missing;
    }
    return true;
}

bool has_lasting_handles(const std::string& type) { return type != "overlay" && type != "nfs" && type != "nfs4"; }

const proc::Mount* root_of(const std::vector<proc::Mount>& mounts) {
    const auto root =
        std::find_if(mounts.begin(), mounts.end(), [](const proc::Mount& mount) { return mount.mount_point == "/"; });
    return root == mounts.end() ? nullptr : &*root;
}

}  // namespace

std::vector<Watch> read_watches(const std::vector<Task>& tasks) {
    std::vector<Watched> found;
    for (const Task& task : tasks)
        for (const proc::Descriptor& descriptor : task.descriptors)
            if (is_watcher(descriptor)) add_watched(task, descriptor, found);
    if (found.empty()) return {};

    const std::string root = fmt::format("/proc/{}/root", tasks.front().pid());
    const std::vector<proc::Mount> mounts = proc::mounts(tasks.front().pid());
    const proc::Mount* first = root_of(mounts);
    const bool by_name = first != nullptr && !has_lasting_handles(first->type);
    Names names;
    for (Watched& file : found) {
        bool opened = false;
        bool in_memory = false;
        for (const proc::Mount& mount : mounts) {
            if (mount.device != file.watch.device) continue;
            in_memory = in_memory || mount.type == "tmpfs" || mount.type == "devtmpfs";
            opened = opened || (file.handle && opens(*file.handle, root + mount.mount_point));
        }
        file.watch.lost = !opened && (by_name || in_memory);
        if (file.watch.lost && by_name) names[file.watch.inode];
    }
    const bool complete = names.empty() || find_names(root, names);

    std::vector<Watch> watches;
    for (Watched& file : found) {
        if (const auto name = names.find(file.watch.inode); name != names.end()) {
            file.watch.name = name->second;
            file.watch.lost = file.watch.lost && name->second.empty() && complete;
        }
        watches.push_back(std::move(file.watch));
    }
    return watches;
}

void choose_watches(const Scene& scene, OptionList& options) {
    if (scene.watches.empty()) return;
    const std::vector<proc::Mount> mounts = proc::mounts(scene.root().pid());
    const proc::Mount* root = root_of(mounts);
    if (root == nullptr || has_lasting_handles(root->type)) return;
    options.push_back(
        {"force-irmap", "",
         "files are watched (inotify, fanotify) on " + root->type + ", whose inodes have no lasting handle"});
    for (const Watch& watch : scene.watches) {
        const Option scan{"irmap-scan-path", watch.name, "it is watched"};
        const bool is_known = std::any_of(options.begin(), options.end(), [&](const Option& option) {
            return option.key == scan.key && option.value == scan.value;
        });
        if (!watch.name.empty() && !is_known) options.push_back(scan);
    }
}

void find_in_watches(const Scene& scene, Blockers& found) {
    for (const Watch& watch : scene.watches)
        if (watch.lost)
            found.push_back(
                {.id = "watch",
                 .cause = fmt::format("{} watches a file that has no name any more (inode {} on {}), which CRIU "
                                      "can't find",
                                      watch.watcher, watch.inode, watch.device),
                 .remedy = "have the program look at its files anew (many do when they are reloaded), or end it",
                 .instance = fmt::format("watch {} {}", watch.device, watch.inode)});
}

}  // namespace stasis::inspect
