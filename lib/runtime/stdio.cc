#include "lib/runtime/stdio.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include <fmt/format.h>

#include "lib/base/error.h"

namespace stasis::runtime {
namespace {

std::set<int> mount_ids(pid_t pid) {
    std::set<int> ids;
    for (const proc::Mount& mount : proc::mounts(pid)) ids.insert(mount.id);
    return ids;
}

/// CRIU's name for an open file whose mount it can't see (`--external file[mount:inode]`).
std::string external_key(const proc::OpenFile& file) {
    return fmt::format("file[{:x}:{:x}]", file.mount_id, file.inode);
}

/// Pipes, sockets and anonymous inodes belong to no mount of the container either.
bool is_path(const std::string& target) { return target.starts_with("/"); }

bool is_outside(const proc::OpenFile& file, const std::set<int>& own_mounts) {
    return is_path(file.target) && !file.target.starts_with("/memfd:") && !own_mounts.contains(file.mount_id);
}

}  // namespace

Stdio look_at_stdio(pid_t init) {
    Stdio stdio;
    stdio.details = Json::array();
    const std::set<int> own_mounts = mount_ids(init);
    std::set<std::string> keys;
    for (const proc::OpenFile& file : proc::open_files(init)) {
        if (file.number < 0 || file.number > 2) continue;
        stdio.targets[static_cast<std::size_t>(file.number)] = file.target;
        if (file.target.starts_with("/dev/pts/") || file.target == "/dev/console") stdio.console = true;
        if (!is_outside(file, own_mounts)) continue;
        const std::string key = external_key(file);
        if (keys.insert(key).second)
            stdio.options.push_back(
                {"external", key, "standard stream " + std::to_string(file.number) + " is a file of the host"});
        stdio.details.push_back({{"fd", file.number},
                                 {"path", file.target},
                                 {"key", key},
                                 {"flags", file.flags & (O_ACCMODE | O_APPEND | O_NONBLOCK)},
                                 {"offset", file.offset}});
    }
    return stdio;
}

std::array<sys::UniqueFd, 3> open_again(const Json& details) {
    std::array<sys::UniqueFd, 3> result;
    for (const Json& entry : details) {
        const std::string path = entry.at("path");
        const int flags = entry.at("flags");
        const bool written = (flags & O_ACCMODE) != O_RDONLY;
        constexpr mode_t kLogMode = 0640;
        sys::UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | (written ? O_CREAT : 0), kLogMode));
        if (!fd)
            throw system_error(errno, "open '" + path + "', a standard stream of the container, again")
                .kind(Kind::damaged)
                .hint("put the file back where it was");
        (void)::lseek(fd.get(), written ? 0 : static_cast<off_t>(entry.at("offset")), written ? SEEK_END : SEEK_SET);
        result[entry.at("fd").get<std::size_t>()] = std::move(fd);
    }
    return result;
}

std::string inherit_configuration(const Json& details) {
    std::string text;
    std::set<std::string> keys;
    for (const Json& entry : details)
        if (const std::string key = entry.at("key"); keys.insert(key).second)
            text += fmt::format("inherit-fd fd[{}]:{}\n", entry.at("fd").get<int>(), key);
    return text;
}

}  // namespace stasis::runtime
