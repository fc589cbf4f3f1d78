#include "lib/sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "lib/base/error.h"

namespace stasis::sys {
namespace {

[[noreturn]] void fail(std::string_view doing, const Path& path) {
    const int saved = errno;
    throw system_error(saved, std::string(doing) + " '" + path.string() + "'");
}

/// Appends what can be read of a file from its start on; false, and errno, where that fails.
bool append_all(int fd, std::string& text) {
    std::array<char, 65536> buffer;
    off_t offset = 0;
    for (;;) {
        const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got == 0;
        text.append(buffer.data(), static_cast<std::size_t>(got));
        offset += got;
    }
}

}  // namespace

std::string read_all(int fd, std::string_view what) {
    std::string text;
    if (!append_all(fd, text)) fail("read", Path(what));
    return text;
}

std::string read_end(const Path& path, std::size_t most) {
    const UniqueFd file = open_path(path, O_RDONLY);
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) fail("look at", path);
    std::string text(std::min(static_cast<std::size_t>(info.st_size), most), '\0');
    const ssize_t got = ::pread(file.get(), text.data(), text.size(), info.st_size - static_cast<off_t>(text.size()));
    if (got < 0) fail("read", path);
    text.resize(static_cast<std::size_t>(got));
    return text;
}

std::string read_file(const Path& path) { return read_all(open_path(path, O_RDONLY).get(), path.native()); }

std::optional<std::string> read_file_if_exists(const Path& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && (errno == ENOENT || errno == ESRCH)) return std::nullopt;
    if (!fd) fail("open", path);
    std::string text;
    if (append_all(fd.get(), text)) return text;
    if (errno == ESRCH || errno == ENODEV) return std::nullopt;  // of a process; of a control group
    fail("read", path);
}

void write_all(int fd, std::string_view text, std::string_view what) {
    while (!text.empty()) {
        const ssize_t put = ::write(fd, text.data(), text.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) fail("write", Path(what));
        text.remove_prefix(static_cast<std::size_t>(put));
    }
}

UniqueFd open_at(int directory, const Path& path, int flags, mode_t mode) {
    UniqueFd fd(::openat(directory, path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) fail("open", path);
    return fd;
}

UniqueFd open_path(const Path& path, int flags, mode_t mode) { return open_at(AT_FDCWD, path, flags, mode); }

Path path_of(int fd) { return Path("/proc/self/fd") / std::to_string(fd); }

UniqueFd open_beneath(int directory, const Path& path, int flags, mode_t mode) {
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.mode = mode;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how)));
    if (!fd) fail("open", path);
    return fd;
}

void write_new_file(const Path& path, std::string_view text, mode_t mode) {
    const UniqueFd fd = open_path(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    write_all(fd.get(), text, path.native());
}

void write_file_atomically(const Path& path, std::string_view text, mode_t mode) {
    const Path folder = path.parent_path();
    std::string temporary = (folder / ("." + path.filename().string() + ".XXXXXX")).string();
    UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) fail("create a file in", folder);
    try {
        write_all(fd.get(), text, temporary);
        if (::fchmod(fd.get(), mode) < 0) fail("set the mode of", temporary);
        sync_fd(fd.get(), temporary);
        if (::rename(temporary.c_str(), path.c_str()) < 0) fail("rename to", path);
    } catch (...) {
        (void)::unlink(temporary.c_str());
        throw;
    }
    sync_fd(open_path(folder, O_RDONLY | O_DIRECTORY).get(), folder.native());
}

void sync_fd(int fd, std::string_view what) {
    if (::fsync(fd) < 0) fail("sync", Path(what));
}

void start_writing_back(const Path& folder) {
    for (const std::string& name : list_directory(folder)) {
        const UniqueFd fd(::open((folder / name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        // A hint: where it fails, the sync that follows takes longer.
        if (fd) (void)::sync_file_range(fd.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
    }
}

void sync_file_system(int directory, std::string_view what) {
    if (::syncfs(directory) < 0) fail("sync the file system of", Path(what));
}

bool rename_new(int directory, const std::string& from, const std::string& to) {
    if (::renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE) < 0) {
        if (errno == EEXIST) return false;
        fail("rename to", to);
    }
    sync_fd(directory, to);
    return true;
}

void make_new_directory(const Path& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) < 0) fail("create", path);
}

void make_directory(const Path& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) return;
    struct stat info {};
    if (errno != EEXIST || ::lstat(path.c_str(), &info) < 0) fail("create", path);
    if (!S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        fail("use", path);
    }
}

std::vector<std::string> list_directory(const Path& path) {
    std::vector<std::string> names;
    DIR* stream = ::opendir(path.c_str());
    if (stream == nullptr) {
        if (errno == ENOENT || errno == ESRCH) return names;
        fail("list", path);
    }
    for (errno = 0; const dirent* entry = ::readdir(stream); errno = 0) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    const int failure = errno;
    (void)::closedir(stream);
    errno = failure;
    if (failure != 0 && failure != ENOENT && failure != ESRCH) fail("list", path);
    std::sort(names.begin(), names.end());
    return names;
}

std::optional<std::string> read_link(const Path& path) {
    std::array<char, PATH_MAX> text;
    const ssize_t length = ::readlink(path.c_str(), text.data(), text.size());
    if (length < 0) return std::nullopt;
    return std::string(text.data(), static_cast<std::size_t>(length));
}

void remove_tree(const Path& path) {
    // A process that was just killed may still have made one entry more.
    constexpr int kAttempts = 3;
    std::error_code error;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        error.clear();
        std::filesystem::remove_all(path, error);
        if (error != std::errc::directory_not_empty) break;
    }
    if (error) throw system_error(error.value(), "remove '" + path.string() + "'");
}

unsigned long long free_bytes(const Path& path) {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) < 0) fail("look at the file system of", path);
    return static_cast<unsigned long long>(info.f_bavail) * info.f_frsize;
}

}  // namespace stasis::sys
