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
#include <optional>
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

std::string folder_of(const Path& path) { return path.has_parent_path() ? path.parent_path() : "."; }

/// Paths below it are opened without leaving it.
struct Tree {
    explicit Tree(const Path& top) : path(top), fd(sys::open_path(top, O_PATH | O_DIRECTORY)) {}

    sys::UniqueFd open(const Path& name, int flags) const { return sys::open_beneath(fd.get(), name, O_PATH | flags); }

    Path path;
    sys::UniqueFd fd;
};

/// A path below a tree of which no part can become a link to elsewhere any more: its folder is held open. The top
/// itself goes by its name, of which libarchive drops a "." at the end.
struct Place {
    Place(const Tree& tree, const Path& whole)
        : name(whole),
          folder(tree.open(folder_of(whole), O_DIRECTORY)),
          path(name == "." ? tree.path : sys::path_of(folder.get()) / whole.filename()) {}

    std::string name;  ///< for messages
    sys::UniqueFd folder;
    Path path;  ///< valid while this lives
};

/// What libarchive is to read. The live tree may have something else under its name by now: a file or a folder is read
/// as what is held open, and of all else no more than its name leads to.
struct Source {
    Source(const Tree& tree, const Path& name, const sys::UniqueFd& opened, mode_t mode) : type(mode & S_IFMT) {
        if (type == AE_IFREG || type == AE_IFDIR)
            path = sys::path_of(opened.get());
        else
            path = place.emplace(tree, name).path;
    }

    unsigned type;
    std::optional<Place> place;
    Path path;  ///< valid while this and what is opened live
};

class Copy {
  public:
    Copy(const Path& from, const Path& to) : from_(from), to_(to) {}

    void entry(const std::string& path) {
        const sys::UniqueFd source = from_.open(path, O_NOFOLLOW);
        const struct stat info = look_at(source, path);
        const Place place(to_, path);
        touched_.insert(folder_of(path));
        if (S_ISDIR(info.st_mode)) {
            touched_.insert(path);
            clear_attributes(place);
        }
        const bool linked = !S_ISDIR(info.st_mode) && info.st_nlink > 1;
        if (linked)
            if (const auto first = first_names_.find(info.st_ino); first != first_names_.end())
                return link(first->second, place);
        if (S_ISSOCK(info.st_mode))
            make_socket(place, info);
        else
            write(Source(from_, path, source, info.st_mode), place);
        if (linked) first_names_[info.st_ino] = path;
    }

    /// Folders get their times last, when nothing is put into them any more. libarchive does so only
    /// for those that it has made.
    void finish() const {
        for (const std::string& folder : touched_)
            set_times(Place(to_, folder), look_at(from_.open(folder, O_NOFOLLOW), folder));
    }

  private:
    static struct stat look_at(const sys::UniqueFd& file, const std::string& path) {
        struct stat info {};
        if (::fstat(file.get(), &info) < 0) throw system_error(errno, "look at '" + path + "'");
        return info;
    }

    /// libarchive adds extended attributes and ACLs to a folder that is there already, and takes none
    /// away. What can't be removed, a security module's label, is not the container's to remove.
    static void clear_attributes(const Place& place) {
        std::vector<char> names(XATTR_LIST_MAX);
        const ssize_t length = ::llistxattr(place.path.c_str(), names.data(), names.size());
        for (ssize_t at = 0; at < length; at += static_cast<ssize_t>(std::strlen(names.data() + at)) + 1)
            (void)::lremovexattr(place.path.c_str(), names.data() + at);
    }

    /// Sockets have no place in archives: libarchive would make a file of them.
    static void make_socket(const Place& place, const struct stat& info) {
        const char* path = place.path.c_str();
        if (::mknod(path, info.st_mode, 0) < 0 || ::lchown(path, info.st_uid, info.st_gid) < 0 ||
            ::chmod(path, info.st_mode & 07777) < 0)
            throw system_error(errno, "make the socket '" + place.name + "'");
        set_times(place, info);
    }

    static void set_times(const Place& place, const struct stat& info) {
        const std::array<timespec, 2> times{info.st_atim, info.st_mtim};
        if (::utimensat(AT_FDCWD, place.path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) < 0)
            throw system_error(errno, "set the times of '" + place.name + "'");
    }

    static void write(const Source& source, const Place& place) {
        const Reader reader(archive_read_disk_new(), &archive_read_free);
        (void)(source.place ? archive_read_disk_set_symlink_physical(reader.get())
                            : archive_read_disk_set_symlink_logical(reader.get()));
        (void)archive_read_disk_set_behavior(reader.get(), ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS);
        const Entry entry(archive_entry_new(), &archive_entry_free);
        if (archive_read_disk_open(reader.get(), source.path.c_str()) != ARCHIVE_OK ||
            archive_read_next_header2(reader.get(), entry.get()) != ARCHIVE_OK)
            fail(reader.get(), place.name);
        if (archive_entry_filetype(entry.get()) != source.type)
            throw Error(Kind::failed, "'" + place.name + "' has become something else meanwhile");
        archive_entry_copy_pathname(entry.get(), place.path.c_str());
        const Writer writer = make_writer();
        if (archive_write_header(writer.get(), entry.get()) != ARCHIVE_OK) fail(writer.get(), place.name);
        if (source.type == AE_IFREG && archive_entry_size(entry.get()) > 0)
            copy_data(reader.get(), writer.get(), place.name);
        if (archive_write_finish_entry(writer.get()) != ARCHIVE_OK || archive_write_close(writer.get()) != ARCHIVE_OK)
            fail(writer.get(), place.name);
    }

    void link(const std::string& first, const Place& place) const {
        if (::linkat(AT_FDCWD, Place(to_, first).path.c_str(), AT_FDCWD, place.path.c_str(), 0) < 0)
            throw system_error(errno, "link '" + place.name + "'");
    }

    Tree from_;
    Tree to_;
    std::map<ino_t, std::string> first_names_;
    std::set<std::string> touched_;  ///< folders that were written or written into
};

}  // namespace

void copy_entries(const Path& from, const Path& to, const std::vector<std::string>& paths,
                  sys::Interrupts& interrupts) {
    Copy copy(from, to);
    for (const std::string& path : paths) {
        interrupts.check();
        copy.entry(path);
    }
    copy.finish();
}

}  // namespace stasis::fs
