#include "lib/sys/unpacker.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "lib/base/error.h"

namespace stasis::sys {
namespace {

constexpr std::size_t kBlock = 65536;

/// Is it a path below one of the folders, where there are any, without a detour?
bool is_below(const Path& path, const std::vector<std::string>& allowed) {
    const bool is_plain = path.is_relative() && !path.empty() &&
                          std::none_of(path.begin(), path.end(), [](const Path& part) { return part == ".."; });
    return is_plain &&
           (allowed.empty() || std::find(allowed.begin(), allowed.end(), path.begin()->native()) != allowed.end());
}

bool is_file(archive_entry* entry, const std::string& name) {
    return archive_entry_pathname(entry) == name && archive_entry_filetype(entry) == AE_IFREG;
}

/// A folder that must stay where it is: libarchive would make it anew, open to all, where its file system is gone.
class Base {
  public:
    explicit Base(const Path& path) : path_(path), folder_(open_path(path, O_RDONLY | O_DIRECTORY)) {}

    void require_there() const {
        struct stat ours {};
        struct stat there {};
        if (::fstat(folder_.get(), &ours) < 0 || ::stat(path_.c_str(), &there) < 0 || ours.st_dev != there.st_dev ||
            ours.st_ino != there.st_ino)
            throw Error(Kind::failed, "'" + path_.string() + "' went away");
    }

  private:
    Path path_;
    UniqueFd folder_;
};

/// Puts what is read on the disk. Throws where that fails: the disk may be full.
class Disk {
  public:
    Disk() : archive_(archive_write_disk_new(), &archive_write_free) {
        // A link that the archive has made is never followed.
        (void)archive_write_disk_set_options(
            archive_.get(), ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL |
                                ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                                ARCHIVE_EXTRACT_SECURE_NODOTDOT);
    }

    void begin(archive_entry* entry) { require(archive_write_header(archive_.get(), entry)); }
    void write(const void* block, std::size_t size, la_int64_t offset) {
        require(
            static_cast<int>(std::min<la_ssize_t>(archive_write_data_block(archive_.get(), block, size, offset), 0)));
    }
    void end() { require(archive_write_finish_entry(archive_.get())); }
    /// The times of folders come last.
    void finish() { require(archive_write_close(archive_.get())); }

  private:
    void require(int result) const {
        if (result >= ARCHIVE_OK) return;
        // What is forbidden, the way through a link, has no errno; what the disk refuses has.
        throw Error(archive_errno(archive_.get()) == 0 ? Kind::damaged : Kind::failed,
                    std::string("cannot unpack: ") + archive_error_string(archive_.get()));
    }

    std::unique_ptr<archive, int (*)(archive*)> archive_;
};

}  // namespace

Unpacker::Unpacker(UniqueFd stream, std::string name)
    : name_(std::move(name)), fd_(std::move(stream)), archive_(archive_read_new(), &archive_read_free) {
    (void)archive_read_support_filter_zstd(archive_.get());
    (void)archive_read_support_filter_gzip(archive_.get());
    (void)archive_read_support_format_tar(archive_.get());
    if (archive_read_open_fd(archive_.get(), fd_.get(), kBlock) != ARCHIVE_OK) refuse("it is no archive of stasis");
}

void Unpacker::refuse(const std::string& problem) const {
    const char* said = archive_error_string(archive_.get());
    throw Error(Kind::damaged,
                "cannot import '" + name_ + "': " + problem + (said == nullptr ? "" : " (" + std::string(said) + ")"));
}

archive_entry* Unpacker::next() {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(archive_.get(), &entry);
    if (result == ARCHIVE_EOF) return nullptr;
    if (result < ARCHIVE_WARN) refuse("it is damaged, or no archive of stasis");
    return entry;
}

std::string Unpacker::read_file(const std::string& name) {
    archive_entry* entry = next();
    if (entry == nullptr || !is_file(entry, name)) refuse("it does not begin with '" + name + "'");
    return read_content(name);
}

std::optional<std::string> Unpacker::find_file(const std::string& name, const std::string& end,
                                               Interrupts& interrupts) {
    while (archive_entry* entry = next()) {
        interrupts.check();
        if (is_file(entry, name)) return read_content(name);
        if (is_file(entry, end)) break;
    }
    return std::nullopt;
}

std::string Unpacker::read_content(const std::string& name) {
    constexpr std::size_t kMost = 512 << 20;
    std::string text;
    std::string block(kBlock, '\0');
    for (;;) {
        const la_ssize_t got = archive_read_data(archive_.get(), block.data(), block.size());
        if (got == 0) return text;
        if (got < 0 || text.size() > kMost) refuse("'" + name + "' can't be read");
        text.append(block.data(), static_cast<std::size_t>(got));
    }
}

void Unpacker::unpack(const Path& folder, const std::vector<std::string>& allowed, Interrupts& interrupts) {
    // Links on the way to the store are the host's own; below it none is followed.
    const Path base = std::filesystem::canonical(folder);
    const Base there(base);
    Disk disk;
    while (archive_entry* entry = next()) {
        interrupts.check();
        const auto lead_in = [&](const char* name, void (*set)(archive_entry*, const char*)) {
            if (name == nullptr) return;
            if (!is_below(name, allowed)) refuse("'" + std::string(name) + "' does not belong there");
            set(entry, (base / name).c_str());
        };
        lead_in(archive_entry_pathname(entry), archive_entry_set_pathname);
        lead_in(archive_entry_hardlink(entry), archive_entry_set_hardlink);
        there.require_there();
        disk.begin(entry);
        for (;;) {
            const void* block = nullptr;
            std::size_t size = 0;
            la_int64_t offset = 0;
            const int result = archive_read_data_block(archive_.get(), &block, &size, &offset);
            if (result == ARCHIVE_EOF) break;
            if (result < ARCHIVE_WARN) refuse("it is damaged");
            interrupts.check();
            disk.write(block, size, offset);
        }
        disk.end();
    }
    there.require_there();
    disk.finish();
}

}  // namespace stasis::sys
