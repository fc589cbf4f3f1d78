#include "lib/proc/cgroups.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "lib/proc/process.h"

namespace stasis::proc {
namespace {

/// A runtime gives these to a container together with cgroup.subtree_control, and CRIU takes them back (4.2.1).
void give_top(const sys::Path& top) {
    struct stat info {};
    if (::stat((top / "cgroup.subtree_control").c_str(), &info) != 0) return;
    for (const char* name : {"cgroup.procs", "cgroup.threads"}) {
        (void)::lchown((top / name).c_str(), info.st_uid, info.st_gid);
        (void)::chmod((top / name).c_str(), info.st_mode);
    }
}

}  // namespace

sys::Path top_of(const sys::Path& group) { return group.filename() == "init.scope" ? group.parent_path() : group; }

sys::Path unified_cgroup_of(pid_t init) {
    sys::Path root;
    for (const Mount& mount : mounts(::getpid()))
        if (mount.type == "cgroup2" && mount.root == "/") root = mount.mount_point;
    if (root.empty()) return {};
    for (const CgroupMembership& group : cgroups(init)) {
        if (!group.controllers.empty()) continue;
        const sys::Path path = top_of(group.path);
        return path == "/" ? sys::Path{} : root / path.relative_path();
    }
    return {};
}

std::vector<sys::Path> cgroups_below(const sys::Path& top) {
    std::vector<sys::Path> found{top};
    for (std::size_t i = 0; i < found.size(); ++i) {
        const sys::Path folder = found[i];
        for (const std::string& name : sys::list_directory(folder)) {
            std::error_code gone;
            if (std::filesystem::is_directory(std::filesystem::symlink_status(folder / name, gone)))
                found.push_back(folder / name);
        }
    }
    return found;
}

void give_unified_cgroups_to_owners(pid_t init) {
    const sys::Path top = unified_cgroup_of(init);
    if (top.empty()) return;
    give_top(top);
    for (const sys::Path& folder : cgroups_below(top)) {
        struct stat info {};
        if (folder == top || ::stat(folder.c_str(), &info) != 0) continue;
        for (const std::string& name : sys::list_directory(folder)) {
            std::error_code gone;
            if (!std::filesystem::is_directory(folder / name, gone))
                (void)::lchown((folder / name).c_str(), info.st_uid, info.st_gid);
        }
    }
}

}  // namespace stasis::proc
