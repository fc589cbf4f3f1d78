#include "lib/proc/descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <memory>
#include <sstream>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/proc/steady.h"
#include "lib/sys/file.h"

namespace stasis::proc {
namespace {

void look_behind(int folder, const char* name, Descriptor& descriptor) {
    struct statx info {};
    constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_MNT_ID;
    if (::statx(folder, name, 0, kWanted, &info) < 0) return;
    descriptor.mode = info.stx_mode;
    descriptor.device = makedev(info.stx_dev_major, info.stx_dev_minor);
    descriptor.special = makedev(info.stx_rdev_major, info.stx_rdev_minor);
    descriptor.inode = info.stx_ino;
    descriptor.size = info.stx_size;
    descriptor.links = info.stx_nlink;
    descriptor.mount_id = static_cast<int>(info.stx_mnt_id);
    if (!S_ISREG(info.stx_mode)) return;
    struct stat link {};
    descriptor.writable = ::fstatat(folder, name, &link, AT_SYMLINK_NOFOLLOW) == 0 && (link.st_mode & S_IWUSR) != 0;
}

std::optional<std::string> link_text(int folder, const char* name) {
    std::array<char, PATH_MAX> text;
    const ssize_t length = ::readlinkat(folder, name, text.data(), text.size());
    if (length < 0) return std::nullopt;
    return std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace

std::vector<Descriptor> descriptors(pid_t pid) {
    std::vector<Descriptor> result;
    const auto close = [](DIR* stream) { (void)::closedir(stream); };
    const std::unique_ptr<DIR, decltype(close)> stream(::opendir(fmt::format("/proc/{}/fd", pid).c_str()), close);
    if (!stream) return result;
    const int folder = ::dirfd(stream.get());
    while (const dirent* entry = ::readdir(stream.get())) {
        if (entry->d_name[0] == '.') continue;
        Descriptor descriptor;
        const auto look = [&](const std::string& target) {
            descriptor = {};
            descriptor.number = std::atoi(entry->d_name);
            descriptor.target = target;
            if (descriptor.is_path()) look_behind(folder, entry->d_name, descriptor);
            return descriptor.is_path();
        };
        if (look_steadily([&] { return link_text(folder, entry->d_name); }, look))
            result.push_back(std::move(descriptor));
    }
    return result;
}

std::map<std::string, std::string> descriptor_info(pid_t pid, int number) {
    std::map<std::string, std::string> fields;
    std::optional<std::string> text;
    try {
        text = sys::read_file_if_exists(fmt::format("/proc/{}/fdinfo/{}", pid, number));
    } catch (const Error&) {
        return fields;  // it ended between open and read
    }
    std::istringstream stream(text.value_or(""));
    for (std::string line; std::getline(stream, line);) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) continue;
        const std::size_t value = line.find_first_not_of(" \t", colon + 1);
        std::string& field = fields[line.substr(0, colon)];
        field += (field.empty() ? "" : "\n") + (value == std::string::npos ? "" : line.substr(value));
    }
    return fields;
}

std::string socket_protocol(pid_t pid, int number) {
    std::array<char, 64> name{};
    const ssize_t length = ::getxattr(fmt::format("/proc/{}/fd/{}", pid, number).c_str(), "system.sockprotoname",
                                      name.data(), name.size() - 1);
    return length < 0 ? "" : std::string(name.data());
}

std::uint64_t inode_in(const std::string& target) {
    const std::size_t open = target.find(":[");
    std::uint64_t inode = 0;
    if (open != std::string::npos)
        (void)std::from_chars(target.data() + open + 2, target.data() + target.size(), inode);
    return inode;
}

}  // namespace stasis::proc
