#include "lib/fs/copy_entries.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "lib/base/error.h"

namespace stasis::fs {
namespace {

using Reader = std::unique_ptr<archive, decltype(&archive_read_free)>;
using Writer = std::unique_ptr<archive, decltype(&archive_write_free)>;
using Entry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

[[noreturn]] void fail(archive* side, const std::string& path) {
    throw Error(Kind::failed, "cannot copy '" + path + "': " + archive_error_string(side));
}

Writer make_writer() {
    Writer writer(archive_write_disk_new(), &archive_write_free);
    constexpr int kKept = ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL |
                          ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SPARSE;
    (void)archive_write_disk_set_options(writer.get(), kKept);
    return writer;
}

void copy_data(archive* reader, archive* writer, const std::string& path) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    for (;;) {
        const int got = archive_read_data_block(reader, &block, &size, &offset);
        if (got == ARCHIVE_EOF) return;
        if (got < ARCHIVE_OK) fail(reader, path);
        if (archive_write_data_block(writer, block, size, offset) < ARCHIVE_OK) fail(writer, path);
    }
}

class Copy {
  public:
    Copy(const Path& from, const Path& to) : from_(from), to_(to), writer_(make_writer()) {}

    void entry(const std::string& path) {
        struct stat info {};
        if (::lstat((from_ / path).c_str(), &info) < 0) throw system_error(errno, "look at '" + path + "'");
        touched_.insert(Path(path).parent_path());
        if (S_ISDIR(info.st_mode)) {
            touched_.insert(path);
            clear_attributes(path);
        }
        const bool linked = !S_ISDIR(info.st_mode) && info.st_nlink > 1;
        if (linked)
            if (const auto first = first_names_.find(info.st_ino); first != first_names_.end())
                return link(first->second, path);
        if (S_ISSOCK(info.st_mode))
            make_socket(path, info);
        else
            write(path);
        if (linked) first_names_[info.st_ino] = path;
    }

    /// Folders get their times last, when nothing is put into them any more. libarchive does so only
    /// for those that it has made.
    void finish() {
        if (archive_write_close(writer_.get()) != ARCHIVE_OK) fail(writer_.get(), to_.string());
        for (const Path& folder : touched_) {
            struct stat info {};
            if (::lstat((from_ / folder).c_str(), &info) < 0)
                throw system_error(errno, "look at '" + folder.string() + "'");
            set_times(folder, info);
        }
    }

  private:
    /// libarchive adds extended attributes and ACLs to a folder that is there already, and takes none
    /// away. What can't be removed, a security module's label, is not the container's to remove.
    void clear_attributes(const std::string& path) const {
        const Path whole = to_ / path;
        std::vector<char> names(XATTR_LIST_MAX);
        const ssize_t length = ::llistxattr(whole.c_str(), names.data(), names.size());
        for (ssize_t at = 0; at < length; at += static_cast<ssize_t>(std::strlen(names.data() + at)) + 1)
            (void)::lremovexattr(whole.c_str(), names.data() + at);
    }

    /// Sockets have no place in archives: libarchive would make a file of them.
    void make_socket(const std::string& path, const struct stat& info) const {
        const Path whole = to_ / path;
        if (::mknod(whole.c_str(), info.st_mode, 0) < 0 || ::lchown(whole.c_str(), info.st_uid, info.st_gid) < 0 ||
            ::chmod(whole.c_str(), info.st_mode & 07777) < 0)
            throw system_error(errno, "make the socket '" + path + "'");
        set_times(path, info);
    }

    void set_times(const Path& path, const struct stat& info) const {
        const std::array<timespec, 2> times{info.st_atim, info.st_mtim};
        if (::utimensat(AT_FDCWD, (to_ / path).c_str(), times.data(), AT_SYMLINK_NOFOLLOW) < 0)
            throw system_error(errno, "set the times of '" + path.string() + "'");
    }

    void write(const std::string& path) {
        const std::string source = from_ / path;
        const Reader reader(archive_read_disk_new(), &archive_read_free);
        (void)archive_read_disk_set_symlink_physical(reader.get());
        (void)archive_read_disk_set_behavior(reader.get(), ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS);
        const Entry entry(archive_entry_new(), &archive_entry_free);
        if (archive_read_disk_open(reader.get(), source.c_str()) != ARCHIVE_OK ||
            archive_read_next_header2(reader.get(), entry.get()) != ARCHIVE_OK)
            fail(reader.get(), path);
        archive_entry_copy_pathname(entry.get(), (to_ / path).lexically_normal().c_str());
        if (archive_write_header(writer_.get(), entry.get()) != ARCHIVE_OK) fail(writer_.get(), path);
        if (archive_entry_filetype(entry.get()) == AE_IFREG && archive_entry_size(entry.get()) > 0)
            copy_data(reader.get(), writer_.get(), path);
        if (archive_write_finish_entry(writer_.get()) != ARCHIVE_OK) fail(writer_.get(), path);
    }

    void link(const std::string& first, const std::string& path) const {
        if (::linkat(AT_FDCWD, (to_ / first).c_str(), AT_FDCWD, (to_ / path).c_str(), 0) < 0)
            throw system_error(errno, "link '" + path + "'");
    }

    Path from_;
    Path to_;
    Writer writer_;
    std::map<ino_t, std::string> first_names_;
    std::set<Path> touched_;  ///< folders that were written or written into
};

}  // namespace

void copy_entries(const Path& from, const Path& to, const std::vector<std::string>& paths,
                  sys::Interrupts& interrupts) {
    // Where the file system of `to` is gone, libarchive would make a folder of that name, open to all.
    (void)sys::open_path(to, O_RDONLY | O_DIRECTORY);
    Copy copy(from, to);
    for (const std::string& path : paths) {
        interrupts.check();
        copy.entry(path);
    }
    copy.finish();
}

}  // namespace stasis::fs
