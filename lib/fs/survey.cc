#include "lib/fs/survey.h"

#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <tuple>

#include "lib/base/error.h"

namespace stasis::fs {

Survey survey(const Path& tree, const timespec& since) {
    constexpr std::uint64_t kBlock = 512;  // of st_blocks, whatever the file system's is
    Survey result;
    std::set<ino_t> linked;
    struct stat top {};
    if (::lstat(tree.c_str(), &top) < 0) throw system_error(errno, "look at '" + tree.string() + "'");
    std::error_code vanished;
    const auto options = std::filesystem::directory_options::skip_permission_denied;
    std::filesystem::recursive_directory_iterator at(tree, options, vanished);
    for (; at != std::filesystem::recursive_directory_iterator(); at.increment(vanished)) {
        struct stat info {};
        if (::lstat(at->path().c_str(), &info) < 0) continue;
        if (info.st_dev != top.st_dev) {
            at.disable_recursion_pending();
            continue;
        }
        if (info.st_nlink == 1 || S_ISDIR(info.st_mode) || linked.insert(info.st_ino).second)
            result.bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
        const auto changed = std::tie(info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
        if (S_ISREG(info.st_mode) && changed >= std::tie(since.tv_sec, since.tv_nsec))
            result.changed.push_back(at->path().lexically_relative(tree));
    }
    return result;
}

}  // namespace stasis::fs
