#include "lib/fs/on_overlay.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "lib/base/error.h"
#include "lib/sys/own_thread.h"

namespace stasis::fs {
namespace {

/// A path as it stands among the options of an overlay (Documentation/filesystems/overlayfs.rst).
std::string quoted(const sys::Path& path) {
    std::string text;
    for (const char letter : path.native()) {
        if (letter == '\\' || letter == ':' || letter == ',') text += '\\';
        text += letter;
    }
    return text;
}

/// The lowest folder in which all of them lie.
sys::Path common_folder(const std::vector<sys::Path>& folders) {
    sys::Path common = folders.front().parent_path();
    for (const sys::Path& folder : folders)
        while (*folder.lexically_relative(common).begin() == "..") common = common.parent_path();
    return common;
}

/// Of this thread alone, and with it to its end.
void mount_for_this_thread(const OverlayFolders& folders) {
    if (::unshare(CLONE_FS | CLONE_NEWNS) < 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
        throw system_error(errno, "make a mount namespace");
    // The options of a mount are no longer than a page (mount(2)), and images may have more than a hundred layers:
    // their names are short ones from where all of them lie.
    const sys::Path common = common_folder(folders.below);
    if (::chdir(common.c_str()) < 0) throw system_error(errno, "go to '" + common.native() + "'");
    std::string options;
    for (const sys::Path& folder : folders.below)
        options += (options.empty() ? "lowerdir=" : ":") + quoted(folder.lexically_relative(common));
    options += ",upperdir=" + quoted(folders.upper) + ",workdir=" + quoted(folders.work);
    if (::mount("overlay", folders.mount_point.c_str(), "overlay", 0, options.c_str()) < 0)
        throw system_error(errno, "mount an overlay with '" + folders.upper.native() + "' as its upper folder");
}

}  // namespace

void on_overlay(const OverlayFolders& folders, const std::function<void()>& change) {
    sys::in_own_thread([&] {
        mount_for_this_thread(folders);
        change();
    });
}

}  // namespace stasis::fs
