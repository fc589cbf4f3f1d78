#include "lib/sys/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "lib/base/error.h"

namespace stasis::sys {
namespace {

constexpr mode_t kPrivate = 0600;

using Entry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

UniqueFd create(const Path& path) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kPrivate));
    if (fd) return fd;
    if (errno == EEXIST)
        throw Error(Kind::busy, "'" + path.string() + "' is there already").hint("name another file with --output");
    throw system_error(errno, "create '" + path.string() + "'");
}

Error unreadable(archive* disk) {
    return Error(Kind::failed, std::string("cannot read what is to be archived: ") + archive_error_string(disk));
}

}  // namespace

Archive::Archive(Path path) : Archive(create(path), path.string()) { is_file_ = true; }

Archive::Archive(UniqueFd stream, std::string name)
    : path_(std::move(name)),
      is_file_(false),
      fd_(std::move(stream)),
      archive_(archive_write_new(), &archive_write_free),
      links_(archive_entry_linkresolver_new(), &archive_entry_linkresolver_free) {
    // Times to the nanosecond; names are bytes, in whatever encoding.
    require(archive_write_set_format_pax(archive_.get()));
    require(archive_write_set_format_option(archive_.get(), "pax", "hdrcharset", "BINARY"));
    require(archive_write_add_filter_zstd(archive_.get()));
    // One thread for each processor, where libarchive's zstd has threads.
    (void)archive_write_set_filter_option(archive_.get(), "zstd", "threads", "0");
    require(archive_write_open_fd(archive_.get(), fd_.get()));
    archive_entry_linkresolver_set_strategy(links_.get(), archive_format(archive_.get()));
}

Archive::~Archive() {
    if (!finished_ && is_file_) (void)::unlink(path_.c_str());
}

void Archive::require(int result) const {
    // A warning says that libarchive was built without zstd and starts the program instead.
    if (result < ARCHIVE_WARN)
        throw Error(Kind::failed, "cannot write '" + path_.string() + "': " + archive_error_string(archive_.get()));
}

void Archive::add(const std::string& name, std::string_view content) {
    const Entry entry(archive_entry_new(), &archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), kPrivate);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    archive_entry_set_mtime(entry.get(), std::time(nullptr), 0);
    require(archive_write_header(archive_.get(), entry.get()));
    if (archive_write_data(archive_.get(), content.data(), content.size()) < 0) require(ARCHIVE_FATAL);
}

void Archive::write_content(archive* disk, archive_entry* entry) {
    constexpr std::size_t kBlock = 65536;
    static constexpr std::array<char, kBlock> kZeros{};
    const auto write = [&](const void* data, std::size_t size) {
        if (archive_write_data(archive_.get(), data, size) < 0) require(ARCHIVE_FATAL);
    };
    la_int64_t written = 0;
    const auto fill_hole = [&](la_int64_t end) {  // what tar knows to be a hole is not written
        while (written < end) {
            const auto size = std::min(kBlock, static_cast<std::size_t>(end - written));
            write(kZeros.data(), size);
            written += static_cast<la_int64_t>(size);
        }
    };
    for (;;) {
        const void* block = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0;
        const int result = archive_read_data_block(disk, &block, &size, &offset);
        if (result == ARCHIVE_EOF) return fill_hole(archive_entry_size(entry));
        if (result != ARCHIVE_OK) throw unreadable(disk);
        fill_hole(offset);
        write(block, size);
        written += static_cast<la_int64_t>(size);
    }
}

void Archive::add_tree(const Path& folder, const std::string& name, Interrupts& interrupts) {
    const std::unique_ptr<archive, decltype(&archive_read_free)> disk(archive_read_disk_new(), &archive_read_free);
    (void)archive_read_disk_set_symlink_physical(disk.get());
    (void)archive_read_disk_set_behavior(disk.get(), ARCHIVE_READDISK_NO_FFLAGS);
    if (archive_read_disk_open(disk.get(), folder.c_str()) != ARCHIVE_OK) throw unreadable(disk.get());
    for (;;) {
        interrupts.check();
        Entry entry(archive_entry_new(), &archive_entry_free);
        const int result = archive_read_next_header2(disk.get(), entry.get());
        if (result == ARCHIVE_EOF) return;
        if (result < ARCHIVE_WARN) throw unreadable(disk.get());
        (void)archive_read_disk_descend(disk.get());
        if (archive_entry_filetype(entry.get()) == AE_IFSOCK) continue;
        const std::string path = archive_entry_pathname(entry.get());
        archive_entry_set_pathname(entry.get(), (name + path.substr(folder.native().size())).c_str());
        // With tar's strategy no entry is ever kept back, so that there is nothing in `later`.
        archive_entry* now = entry.release();
        archive_entry* later = nullptr;
        archive_entry_linkify(links_.get(), &now, &later);
        entry.reset(now);
        require(archive_write_header(archive_.get(), entry.get()));
        if (archive_entry_size(entry.get()) > 0) write_content(disk.get(), entry.get());
    }
}

void Archive::finish() {
    require(archive_write_close(archive_.get()));
    if (is_file_) sync_fd(fd_.get(), path_.native());
    finished_ = true;
}

std::string read_decompressed(const Path& path) {
    const UniqueFd fd = open_path(path, O_RDONLY);
    const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(), &archive_read_free);
    const auto require = [&](bool fine) {
        if (!fine)
            throw Error(Kind::failed, "cannot read '" + path.string() + "': " + archive_error_string(reader.get()));
    };
    constexpr std::size_t kBlock = 65536;
    std::array<char, kBlock> buffer;
    archive_entry* entry = nullptr;
    (void)archive_read_support_filter_all(reader.get());
    (void)archive_read_support_format_raw(reader.get());
    require(archive_read_open_fd(reader.get(), fd.get(), kBlock) == ARCHIVE_OK &&
            archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK);
    std::string text;
    for (;;) {
        const la_ssize_t got = archive_read_data(reader.get(), buffer.data(), buffer.size());
        require(got >= 0);
        if (got == 0) return text;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

}  // namespace stasis::sys
