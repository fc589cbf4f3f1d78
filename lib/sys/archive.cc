#include "lib/sys/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

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

}  // namespace

Archive::Archive(Path path)
    : path_(std::move(path)), fd_(create(path_)), archive_(archive_write_new(), &archive_write_free) {
    try {
        require(archive_write_set_format_pax_restricted(archive_.get()));
        require(archive_write_add_filter_zstd(archive_.get()));
        require(archive_write_open_fd(archive_.get(), fd_.get()));
    } catch (const Error&) {
        (void)::unlink(path_.c_str());
        throw;
    }
}

Archive::~Archive() {
    if (!finished_) (void)::unlink(path_.c_str());
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

void Archive::finish() {
    require(archive_write_close(archive_.get()));
    sync_fd(fd_.get(), path_.native());
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
