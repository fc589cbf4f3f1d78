/// What CRIU finds as `tar` when it packs or unpacks what is in a tmpfs. Most hold next to nothing: a container's /dev
/// has links and devices, /dev/shm and the masks over /proc/acpi and the like are empty. For each of them CRIU has tar,
/// a shell and gzip started while the container stands still. This program packs what has no contents by itself, and
/// unpacks what is empty, as tar would and in a fraction of the time; all else is left to tar.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libexec/next.h"

namespace stasis::libexec {
namespace {

using Words = std::vector<std::string_view>;

// As CRIU calls it (4.2.1, criu/filesystems.c: tmpfs_dump() and tmpfs_restore()); called in another way it is tar.
const Words kPack = {"--create",          "--gzip",        "--no-unquote",           "--no-wildcards",
                     "--one-file-system", "--check-links", "--preserve-permissions", "--sparse",
                     "--numeric-owner",   "--directory",   "/proc/self/fd/0",        "."};
const Words kUnpack = {"--extract", "--gzip", "--no-unquote", "--no-wildcards", "--directory"};  // and the folder

/// A member of an archive as POSIX.1-1988 (ustar) has it; numbers are octal digits.
struct Header {
    std::array<char, 100> name;
    std::array<char, 8> mode, uid, gid;
    std::array<char, 12> size, mtime;
    std::array<char, 8> checksum;
    char type;
    std::array<char, 100> link;
    std::array<char, 8> magic;
    std::array<char, 32> user, group;
    std::array<char, 8> major, minor;
    std::array<char, 155> prefix;
    std::array<char, 12> unused;
};
static_assert(sizeof(Header) == 512);

constexpr std::size_t kRecord = 10240;  // what tar writes at once
constexpr std::size_t kMost = 64;       // members; with more of them tar's start is the smaller part

// Types of members.
constexpr char kFile = '0', kLink = '2', kCharDevice = '3', kBlockDevice = '4', kFolder = '5', kFifo = '6';

constexpr int kGzip = 16;  // added to the bits of zlib's window: the format is gzip's
constexpr int kLargestWindow = 15, kWindow = 12, kMemory = 5;

template <typename T>
std::span<const char> bytes_of(const T& object) {
    return {reinterpret_cast<const char*>(&object), sizeof object};
}

/// Its own field counts as blanks.
unsigned checksum(Header header) {
    header.checksum.fill(' ');
    unsigned sum = 0;
    for (const char byte : bytes_of(header)) sum += static_cast<unsigned char>(byte);
    return sum;
}

/// Its last byte stays the zero that ends it. False where it has too many digits.
bool put(std::span<char> field, long long number) {
    if (number < 0) return false;
    for (char& digit : field.first(field.size() - 1) | std::views::reverse) {
        digit = static_cast<char>('0' + number % 8);
        number /= 8;
    }
    return number == 0;
}

/// -1 where it is no number.
long long get(std::span<const char> field) {
    const std::string digits(field.data(), ::strnlen(field.data(), field.size()));
    if (digits.empty() || digits.find_first_not_of("01234567 ") != std::string::npos) return -1;
    return std::strtoll(digits.c_str(), nullptr, 8);
}

char type_of(const struct stat& info) {
    switch (info.st_mode & S_IFMT) {
        case S_IFDIR: return kFolder;
        case S_IFLNK: return kLink;
        case S_IFCHR: return kCharDevice;
        case S_IFBLK: return kBlockDevice;
        case S_IFIFO: return kFifo;
        case S_IFREG: return info.st_size == 0 ? kFile : '\0';
        default: return '\0';
    }
}

/// The members of an archive of a folder; all its functions return false where tar has to make it.
class Members {
  public:
    bool add_folder(int parent, const char* entry, const std::string& name) {
        const int fd = ::openat(parent, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat info {};
        if (fd < 0 || ::fstat(fd, &info) < 0 || !add(info, name, "")) return false;
        DIR* listing = ::fdopendir(fd);
        if (listing == nullptr) return false;
        errno = 0;
        while (const dirent* found = ::readdir(listing))
            if (!add_entry(fd, found->d_name, name)) return false;
        return errno == 0 && ::closedir(listing) == 0;
    }

    std::span<const Header> all() const { return members_; }

  private:
    bool add_entry(int folder, const std::string& entry, const std::string& parent) {
        if (entry == "." || entry == "..") return true;
        struct stat info {};
        if (::fstatat(folder, entry.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) return false;
        if (S_ISDIR(info.st_mode)) return add_folder(folder, entry.c_str(), parent + entry + "/");
        std::array<char, sizeof(Header::link)> link{};
        if (S_ISLNK(info.st_mode)) {
            const ssize_t size = ::readlinkat(folder, entry.c_str(), link.data(), link.size());
            if (size < 0 || static_cast<std::size_t>(size) == link.size()) return false;
        }
        return info.st_nlink == 1 && add(info, parent + entry, link.data());
    }

    bool add(const struct stat& info, const std::string& name, const std::string& link) {
        Header header{};
        header.type = type_of(info);
        if (members_.empty()) file_system_ = info.st_dev;
        if (info.st_dev != file_system_) return false;
        if (members_.size() == kMost || header.type == '\0' || name.size() >= header.name.size()) return false;
        if (!put(header.mode, info.st_mode & ALLPERMS) || !put(header.uid, info.st_uid) ||
            !put(header.gid, info.st_gid) || !put(header.mtime, info.st_mtime) || !put(header.size, 0) ||
            !put(header.major, major(info.st_rdev)) || !put(header.minor, minor(info.st_rdev)))
            return false;
        name.copy(header.name.data(), name.size());
        link.copy(header.link.data(), link.size());
        std::memcpy(header.magic.data(),
                    "ustar\0"
                    "00",
                    header.magic.size());
        (void)put(std::span(header.checksum).first<7>(), checksum(header));
        members_.push_back(header);
        return true;
    }

    std::vector<Header> members_;
    dev_t file_system_ = 0;
};

std::vector<unsigned char> with_gzip(std::vector<unsigned char> bytes) {
    z_stream stream{};
    if (::deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kWindow + kGzip, kMemory, Z_DEFAULT_STRATEGY) != Z_OK)
        return {};
    std::vector<unsigned char> packed(::deflateBound(&stream, bytes.size()));
    stream.next_in = bytes.data();
    stream.avail_in = static_cast<unsigned>(bytes.size());
    stream.next_out = packed.data();
    stream.avail_out = static_cast<unsigned>(packed.size());
    if (::deflate(&stream, Z_FINISH) != Z_STREAM_END) return {};
    packed.resize(stream.total_out);
    return packed;
}

/// Packs the folder at the standard input into the standard output. False, with nothing done, where tar has to.
bool pack() {
    Members members;
    if (!members.add_folder(STDIN_FILENO, ".", "./")) return false;
    const std::size_t size = members.all().size_bytes() + 2 * sizeof(Header);  // the end is two that are empty
    std::vector<unsigned char> archive((size + kRecord - 1) / kRecord * kRecord);
    std::memcpy(archive.data(), members.all().data(), members.all().size_bytes());
    const std::vector<unsigned char> packed = with_gzip(std::move(archive));
    if (packed.empty()) return false;
    if (::write(STDOUT_FILENO, packed.data(), packed.size()) == static_cast<ssize_t>(packed.size())) return true;
    std::perror("tar: can't write the archive");
    std::exit(EXIT_FAILURE);
}

/// The one member of an archive of an empty folder; nothing where there is more in it, or it is not whole.
std::optional<Header> only_member(std::span<unsigned char> packed) {
    std::vector<unsigned char> unpacked(2 * kRecord);
    z_stream stream{};
    stream.next_in = packed.data();
    stream.avail_in = static_cast<unsigned>(packed.size());
    stream.next_out = unpacked.data();
    stream.avail_out = static_cast<unsigned>(unpacked.size());
    if (::inflateInit2(&stream, kLargestWindow + kGzip) != Z_OK || ::inflate(&stream, Z_FINISH) != Z_STREAM_END ||
        stream.avail_in != 0 || stream.total_out < 3 * sizeof(Header))
        return std::nullopt;
    Header header;
    std::memcpy(&header, unpacked.data(), sizeof header);
    const bool ends =
        std::all_of(unpacked.begin() + sizeof header, unpacked.end(), [](auto byte) { return byte == 0; });
    const bool is_it = std::string_view(header.name.data(), 3) == std::string_view("./", 3) && header.type == kFolder &&
                       header.user[0] == '\0' && header.group[0] == '\0' && get(header.checksum) == checksum(header);
    if (!ends || !is_it) return std::nullopt;
    return header;
}

/// Unpacks the standard input into `folder`. False, with nothing done, where tar has to.
bool unpack(const char* folder) {
    std::array<unsigned char, 1024> packed;
    const ssize_t got = ::pread(STDIN_FILENO, packed.data(), packed.size(), 0);
    if (::lseek(STDIN_FILENO, 0, SEEK_CUR) != 0 || got <= 0 || got == packed.size()) return false;
    const std::optional<Header> header = only_member(std::span(packed).first(got));
    if (!header) return false;
    const long long mode = get(header->mode), uid = get(header->uid), gid = get(header->gid),
                    mtime = get(header->mtime);
    if (mode < 0 || uid < 0 || gid < 0 || mtime < 0) return false;
    const int fd = ::open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::array<timespec, 2> times{timespec{0, UTIME_NOW}, timespec{mtime, 0}};
    return fd >= 0 && ::fchown(fd, static_cast<uid_t>(uid), static_cast<gid_t>(gid)) == 0 &&
           ::fchmod(fd, static_cast<mode_t>(mode)) == 0 && ::futimens(fd, times.data()) == 0;
}

}  // namespace
}  // namespace stasis::libexec

int main(int argc, char** argv) {
    using namespace stasis::libexec;
    const Words words(argv + 1, argv + argc);
    if (words == kPack && pack()) return 0;
    if (words.size() == kUnpack.size() + 1 && std::equal(kUnpack.begin(), kUnpack.end(), words.begin()) &&
        unpack(argv[argc - 1]))
        return 0;
    become_next(argv);
}
