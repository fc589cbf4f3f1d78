#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/sys/fd.h"

namespace stasis::sys {

using Path = std::filesystem::path;

/// The whole of a file; throws system_error. Works for /proc, whose files have no size.
std::string read_file(const Path& path);

/// The whole of a file, or nothing where it does not exist, or is of a process or a control group that has gone by the
/// time it is read.
std::optional<std::string> read_file_if_exists(const Path& path);

/// The last bytes of a file, `most` of them at most.
std::string read_end(const Path& path, std::size_t most);

/// Everything that can be read from `fd` from its start on.
std::string read_all(int fd, std::string_view what);

/// Writes all of `text` at the current offset; `what` names the file in errors.
void write_all(int fd, std::string_view text, std::string_view what);

/// Opens `path` (absolute or relative to `directory`); O_CLOEXEC is added. Throws system_error.
UniqueFd open_at(int directory, const Path& path, int flags, mode_t mode = 0);
UniqueFd open_path(const Path& path, int flags, mode_t mode = 0);

/// A path that leads to what a descriptor of this process holds open, whatever its name is by now (/proc/self/fd).
Path path_of(int fd);

/// Opens `path` below `directory`, never following a symbolic link and never leaving it
/// (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, Linux 5.6).
UniqueFd open_beneath(int directory, const Path& path, int flags, mode_t mode = 0);

/// Creates `path`, which must not exist, without syncing it: for files of a checkpoint in the making,
/// which are all synced before it gets its name.
void write_new_file(const Path& path, std::string_view text, mode_t mode);

/// Creates `path` with exactly this content in one step: a temporary file in the same directory,
/// fsync, rename, fsync of the directory. Replaces an existing file.
void write_file_atomically(const Path& path, std::string_view text, mode_t mode);

/// fsync; `what` names the file in errors.
void sync_fd(int fd, std::string_view what);

/// Has the kernel begin to write the files of a folder to disk, and does not wait for it.
void start_writing_back(const Path& folder);

/// syncfs: everything written so far to the file system that holds `directory`.
void sync_file_system(int directory, std::string_view what);

/// Renames a directory to a name that must not exist yet (RENAME_NOREPLACE), then syncs the
/// directory that holds both. Returns false where the new name exists.
bool rename_new(int directory, const std::string& from, const std::string& to);

/// mkdir of what must not exist yet. Throws system_error.
void make_new_directory(const Path& path, mode_t mode);

/// mkdir that accepts an existing real directory (not a link to one). Throws otherwise.
void make_directory(const Path& path, mode_t mode);

/// Names in a directory, sorted, without "." and "..". Empty where it does not exist.
std::vector<std::string> list_directory(const Path& path);

/// What a symbolic link says, or nothing where it can't be read.
std::optional<std::string> read_link(const Path& path);

/// Removes a tree below a directory that no one but root can write to. Missing is fine.
void remove_tree(const Path& path);

/// Bytes that can still be written where `path` lies, by an unprivileged writer's count.
unsigned long long free_bytes(const Path& path);

}  // namespace stasis::sys
