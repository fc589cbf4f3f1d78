#include "lib/fs/rootfs.h"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <set>
#include <sstream>
#include <string_view>

#include "lib/base/error.h"
#include "lib/proc/process.h"
#include "lib/sys/checksum.h"
#include "lib/sys/child.h"

namespace stasis::fs {
namespace {

constexpr std::array<std::pair<Backend, const char*>, 5> kNames{{{Backend::none, "none"},
                                                                 {Backend::copy, "copy"},
                                                                 {Backend::overlay, "overlay"},
                                                                 {Backend::upper, "upper"},
                                                                 {Backend::btrfs, "btrfs"}}};

/// The mount whose mount point is exactly `path`; the last one is on top.
std::optional<proc::Mount> mount_at(const Path& path) {
    std::optional<proc::Mount> found;
    for (proc::Mount& mount : proc::mounts(::getpid()))
        if (mount.mount_point == path.native()) found = std::move(mount);
    return found;
}

/// The part of an overlay's options that makes it what it is.
std::string overlay_options(const std::string& all) {
    constexpr std::array<std::string_view, 6> kKept{
        "lowerdir=", "upperdir=", "workdir=", "index=", "redirect_dir=", "metacopy="};
    std::string result;
    std::istringstream stream(all);
    for (std::string option; std::getline(stream, option, ',');)
        if (std::any_of(kKept.begin(), kKept.end(), [&](std::string_view key) { return option.starts_with(key); }))
            result += (result.empty() ? "" : ",") + option;
    return result;
}

std::string overlay_option(const std::string& options, const std::string& key) {
    std::istringstream stream(options);
    for (std::string option; std::getline(stream, option, ',');)
        if (option.starts_with(key + "=")) return option.substr(key.size() + 1);
    return "";
}

bool is_btrfs_subvolume(const Path& path) {
    constexpr ino_t kSubvolumeRoot = 256;  // BTRFS_FIRST_FREE_OBJECTID
    struct statfs system {};
    struct stat info {};
    if (::statfs(path.c_str(), &system) < 0 || system.f_type != BTRFS_SUPER_MAGIC) return false;
    return ::stat(path.c_str(), &info) == 0 && info.st_ino == kSubvolumeRoot;
}

/// Each btrfs subvolume has a device number of its own, so those don't tell. Two file systems of
/// the same size could pass for one: then the snapshot fails while the target stands still, and
/// nothing is lost.
bool same_file_system(const Path& one, const Path& other) {
    struct statfs first {};
    struct statfs second {};
    return ::statfs(one.c_str(), &first) == 0 && ::statfs(other.c_str(), &second) == 0 &&
           first.f_type == second.f_type && first.f_blocks == second.f_blocks && first.f_bsize == second.f_bsize;
}

void mount_overlay(const RootfsPlan& plan) {
    std::filesystem::create_directories(plan.path);
    if (::mount("overlay", plan.path.c_str(), "overlay", 0, plan.mount_options.c_str()) < 0)
        throw system_error(errno, "mount the overlay at '" + plan.path.string() + "'");
}

/// An upper folder must not change below a mounted overlay.
void unmount_overlay(const RootfsPlan& plan) {
    if (!mount_at(plan.path)) return;
    if (::umount2(plan.path.c_str(), UMOUNT_NOFOLLOW) < 0)
        throw system_error(errno, "unmount the overlay at '" + plan.path.string() + "'")
            .hint("something still uses it: `fuser -vm " + plan.path.string() + "` names it");
}

/// rsync makes names of one file in `kept` names of one file again, but leaves together what was
/// linked later: a write to one name would then show under the other. Such names are taken away.
void unlink_later_links(const Path& tree, const Path& kept) {
    struct stat top {};
    if (::lstat(tree.c_str(), &top) < 0) throw system_error(errno, "look at '" + tree.string() + "'");
    std::map<ino_t, std::vector<Path>> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree)) {
        struct stat info {};
        if (::lstat(entry.path().c_str(), &info) == 0 && !S_ISDIR(info.st_mode) && info.st_nlink > 1 &&
            info.st_dev == top.st_dev)  // rsync stays out of other file systems as well
            files[info.st_ino].push_back(entry.path());
    }
    for (const auto& [inode, names] : files) {
        std::set<ino_t> kept_as;
        for (const Path& name : names) {
            struct stat info {};
            if (::lstat((kept / name.lexically_relative(tree)).c_str(), &info) == 0) kept_as.insert(info.st_ino);
        }
        if (kept_as.size() > 1)
            for (const Path& name : names) std::filesystem::remove(name);
    }
}

}  // namespace

std::string to_string(Backend backend) {
    for (const auto& [value, name] : kNames)
        if (value == backend) return name;
    return "none";
}

Backend backend_from(const std::string& name) {
    for (const auto& [value, text] : kNames)
        if (text == name) return value;
    throw Error(Kind::damaged, "there is no root file system backend '" + name + "'")
        .hint("update stasis on this host");
}

RootfsPlan plan_rootfs(const Path& rootfs, const Path& store) {
    const std::optional<proc::Mount> mount = mount_at(rootfs);
    if (mount && mount->type == "overlay") {
        const std::string options = overlay_options(mount->super_options);
        const Path upper = overlay_option(options, "upperdir");
        if (!upper.empty()) return {Backend::overlay, rootfs, upper, options};
    }
    if (is_btrfs_subvolume(rootfs) && same_file_system(rootfs, store)) return {Backend::btrfs, rootfs, rootfs, ""};
    return {Backend::copy, rootfs, rootfs, ""};
}

RootfsCapture::RootfsCapture(RootfsPlan plan, Path to, std::optional<Parent> parent, int lock_fd)
    : plan_(std::move(plan)), to_(to), copy_(plan_.source, std::move(to), std::move(parent), lock_fd) {}

void RootfsCapture::start_first_pass(const std::set<std::string>& written) {
    if (is_copied()) copy_.start_first_pass(written);
}

void RootfsCapture::finish_first_pass(sys::Interrupts& interrupts) {
    if (is_copied()) copy_.finish_first_pass(interrupts);
}

void RootfsCapture::second_pass(const std::set<std::string>& written, sys::Interrupts& interrupts) {
    if (is_copied()) copy_.second_pass(written, interrupts);
    if (plan_.backend == Backend::btrfs) {
        sys::Command command;
        // Writable, so that it can be deleted like any other folder.
        command.args = {"btrfs", "subvolume", "snapshot", plan_.source, to_};
        (void)sys::run_or_throw(command, &interrupts);
    }
}

FileRecords RootfsCapture::records(sys::Interrupts& interrupts) const {
    return plan_.backend == Backend::btrfs ? sys::record_tree(to_, interrupts) : copy_.records();
}

void restore_rootfs(const RootfsPlan& plan, const Path& kept, int lock_fd, sys::Interrupts& interrupts) {
    if (plan.backend == Backend::none) return;
    if (plan.backend == Backend::overlay) {
        unmount_overlay(plan);
        std::filesystem::create_directories(overlay_option(plan.mount_options, "workdir"));
    }
    if (plan.backend == Backend::upper && mount_at(plan.path))
        throw Error(Kind::failed, "the overlay at '" + plan.path.string() + "' is still mounted")
            .hint("have its runtime unmount it (`podman umount`)");
    std::filesystem::create_directories(plan.source);
    unlink_later_links(plan.source, kept);
    RsyncJob job{kept, plan.source};
    job.exact = true;
    job.lock_fd = lock_fd;
    rsync(job, interrupts);
    if (plan.backend == Backend::overlay) mount_overlay(plan);
}

}  // namespace stasis::fs
