#include "tests/unit/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "lib/sys/child.h"

namespace stasis::test {
namespace {

std::string escaped(const std::string& bytes) {
    std::ostringstream text;
    for (const char byte : bytes) {
        if (byte > 0x20 && byte < 0x7f && byte != '\\')
            text << byte;
        else
            text << '\\' << std::hex << (static_cast<unsigned>(byte) & 0xff);
    }
    return text.str();
}

std::string attributes_of(const Path& path) {
    std::vector<char> names(65536);
    const ssize_t length = ::llistxattr(path.c_str(), names.data(), names.size());
    std::vector<std::string> found;
    for (ssize_t at = 0; at < length;) {
        const std::string name = names.data() + at;
        std::vector<char> value(65536);
        const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
        if (size >= 0) found.push_back(name + "=" + escaped({value.data(), static_cast<std::size_t>(size)}));
        at += static_cast<ssize_t>(name.size()) + 1;
    }
    std::sort(found.begin(), found.end());
    std::string text;
    for (const std::string& each : found) text += " " + each;
    return text;
}

std::string describe(const Path& path, const struct stat& info) {
    std::ostringstream text;
    text << std::oct << info.st_mode << std::dec << ' ' << info.st_uid << ':' << info.st_gid << ' '
         << info.st_mtim.tv_sec << '.' << info.st_mtim.tv_nsec;
    if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode))
        text << " dev " << major(info.st_rdev) << ':' << minor(info.st_rdev);
    if (S_ISLNK(info.st_mode)) text << " -> " << escaped(std::filesystem::read_symlink(path).native());
    if (S_ISREG(info.st_mode)) text << ' ' << info.st_size << " bytes, " << std::hash<std::string>()(read(path));
    text << attributes_of(path);
    return text.str();
}

}  // namespace

TempDir::TempDir() {
    const char* folder = std::getenv("TMPDIR");
    std::string name = std::string(folder != nullptr && *folder != '\0' ? folder : "/tmp") + "/stasis-unit.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot create " + name);
    path_ = std::filesystem::canonical(name);
}

TempDir::~TempDir() {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_, ignored))
        if (entry.is_directory() && !entry.is_symlink()) (void)::chmod(entry.path().c_str(), 0700);
    std::filesystem::remove_all(path_, ignored);
}

void write(const Path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream stream(path, std::ios::binary | std::ios::trunc);
    stream << text;
    stream.close();
    if (!stream) throw std::runtime_error("cannot write " + path.string());
}

std::string read(const Path& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw std::runtime_error("cannot read " + path.string());
    std::ostringstream text;
    if (std::filesystem::file_size(path) > 0) text << stream.rdbuf();
    return text.str();
}

void flip(const Path& path, std::size_t position) {
    std::fstream stream(path, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekg(static_cast<std::streamoff>(position));
    const int byte = stream.get();
    stream.seekp(static_cast<std::streamoff>(position));
    stream.put(static_cast<char>(byte ^ 1));
    stream.close();
    if (!stream) throw std::runtime_error("cannot change " + path.string());
}

mode_t mode_of(const Path& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) < 0) throw std::runtime_error("no " + path.string());
    return info.st_mode & 07777;
}

bool exists(const Path& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

bool is_root() { return ::geteuid() == 0; }

sys::Interrupts& nothing_interrupts() {
    static sys::Interrupts interrupts{std::nullopt};
    return interrupts;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::string> own_descriptors() {
    std::vector<std::string> numbers;
    DIR* folder = ::opendir("/proc/self/fd");
    while (const dirent* entry = ::readdir(folder))
        if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(folder)) numbers.emplace_back(entry->d_name);
    (void)::closedir(folder);
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

std::vector<std::string> inherited_descriptors() {
    std::vector<std::string> numbers = own_descriptors();
    std::erase_if(numbers,
                  [](const std::string& number) { return (::fcntl(std::stoi(number), F_GETFD) & FD_CLOEXEC) != 0; });
    return numbers;
}

Environment::Environment(std::string name, const std::string& value) : name_(std::move(name)) {
    const char* before = std::getenv(name_.c_str());
    was_set_ = before != nullptr;
    if (was_set_) before_ = before;
    if (value.empty())
        (void)::unsetenv(name_.c_str());
    else
        (void)::setenv(name_.c_str(), value.c_str(), 1);
}

Environment::~Environment() {
    if (was_set_)
        (void)::setenv(name_.c_str(), before_.c_str(), 1);
    else
        (void)::unsetenv(name_.c_str());
}

std::map<std::string, std::string> describe_tree(const Path& root) {
    std::map<std::string, std::string> result;
    std::map<ino_t, std::vector<std::string>> names;
    const auto add = [&](const Path& path, const std::string& name) {
        struct stat info {};
        if (::lstat(path.c_str(), &info) < 0) throw std::runtime_error("no " + path.string());
        result[name] = describe(path, info);
        if (!S_ISDIR(info.st_mode)) names[info.st_ino].push_back(name);
    };
    add(root, ".");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root))
        add(entry.path(), entry.path().lexically_relative(root).native());
    for (auto& [inode, same] : names) {
        std::sort(same.begin(), same.end());
        if (same.size() > 1)
            for (const std::string& name : same) result[name] += " same as " + escaped(same.front());
    }
    return result;
}

std::string rsync_would_do(const Path& original, const Path& copy) {
    sys::Command command;
    command.args = {"rsync",
                    "-aHAXn",
                    "--numeric-ids",
                    "--delete",
                    "--checksum",
                    "--modify-window=-1",
                    "--itemize-changes",
                    original.string() + "/",
                    copy.string() + "/"};
    return sys::run_or_throw(command);
}

}  // namespace stasis::test
