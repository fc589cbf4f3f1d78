#include "lib/sys/package.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <array>
#include <memory>

#include "lib/base/error.h"

namespace stasis::sys {
namespace {

using Reader = std::unique_ptr<archive, decltype(&archive_read_free)>;
using Matches = std::function<bool(const std::string&)>;

constexpr std::size_t kBlock = 65536;

Reader new_reader() {
    Reader reader(archive_read_new(), &archive_read_free);
    (void)archive_read_support_filter_all(reader.get());
    (void)archive_read_support_format_all(reader.get());
    return reader;
}

[[noreturn]] void unreadable(archive* reader) {
    throw Error(Kind::failed, std::string("cannot read the package: ") + archive_error_string(reader));
}

std::string content(archive* reader) {
    std::string text;
    std::array<char, kBlock> buffer;
    for (;;) {
        const la_ssize_t got = archive_read_data(reader, buffer.data(), buffer.size());
        if (got < 0) unreadable(reader);
        if (got == 0) return text;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

/// libarchive's callback: what an archive holds is read as an archive itself.
la_ssize_t read_inner(archive* inner, void* outer, const void** block) {
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(static_cast<archive*>(outer), block, &size, &offset);
    if (result == ARCHIVE_EOF) return 0;
    if (result == ARCHIVE_OK) return static_cast<la_ssize_t>(size);
    archive_set_error(inner, archive_errno(static_cast<archive*>(outer)), "%s",
                      archive_error_string(static_cast<archive*>(outer)));
    return -1;
}

std::optional<PackedFile> search(archive* reader, const Matches& matches) {
    archive_entry* entry = nullptr;
    for (;;) {
        const int result = archive_read_next_header(reader, &entry);
        if (result == ARCHIVE_EOF) return std::nullopt;
        if (result < ARCHIVE_WARN) unreadable(reader);
        const std::string name = archive_entry_pathname(entry) == nullptr ? "" : archive_entry_pathname(entry);
        if (matches(name)) return PackedFile{name, content(reader)};
        // A .deb is an `ar` that holds the files as a tar of its own (deb(5)).
        if (!name.starts_with("data.tar")) continue;
        const Reader inner = new_reader();
        if (archive_read_open(inner.get(), reader, nullptr, &read_inner, nullptr) != ARCHIVE_OK)
            unreadable(inner.get());
        return search(inner.get(), matches);
    }
}

}  // namespace

std::optional<PackedFile> find_in_package(const Path& package, const Matches& matches) {
    const UniqueFd fd = open_path(package, O_RDONLY);
    const Reader reader = new_reader();
    if (archive_read_open_fd(reader.get(), fd.get(), kBlock) != ARCHIVE_OK) return std::nullopt;
    return search(reader.get(), matches);
}

}  // namespace stasis::sys
