#include "lib/fs/survey.h"

#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <tuple>
#include <utility>

#include "lib/base/error.h"

namespace stasis::fs {
namespace {

class Walk {
  public:
    Walk(const Path& tree, const timespec& since) : tree_(tree), since_(since) {
        if (::lstat(tree.c_str(), &top_) < 0) throw system_error(errno, "look at '" + tree.string() + "'");
    }

    /// A folder that vanishes meanwhile ends its own walk, and no other's.
    void add_folder(const Path& folder) {
        std::error_code vanished;
        std::filesystem::directory_iterator at(folder, vanished);
        for (; !vanished && at != std::filesystem::directory_iterator(); at.increment(vanished)) add(at->path());
    }

    Survey result() && { return std::move(result_); }

  private:
    void add(const Path& path) {
        constexpr std::uint64_t kBlock = 512;  // of st_blocks, whatever the file system's is
        struct stat info {};
        if (::lstat(path.c_str(), &info) < 0 || info.st_dev != top_.st_dev) return;
        if (info.st_nlink == 1 || S_ISDIR(info.st_mode) || linked_.insert(info.st_ino).second)
            result_.bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
        const auto changed = std::tie(info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
        if (S_ISREG(info.st_mode) && changed >= std::tie(since_.tv_sec, since_.tv_nsec))
            result_.changed.push_back(path.lexically_relative(tree_));
        if (S_ISDIR(info.st_mode)) add_folder(path);
    }

    const Path& tree_;
    timespec since_;
    struct stat top_ {};
    std::set<ino_t> linked_;
    Survey result_;
};

}  // namespace

Survey survey(const Path& tree, const timespec& since) {
    Walk walk(tree, since);
    walk.add_folder(tree);
    return std::move(walk).result();
}

}  // namespace stasis::fs
