#include "lib/fs/changes.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>

#include "lib/base/error.h"
#include "lib/sys/checksum.h"

namespace stasis::fs {
namespace {

bool not_before(const timespec& time, const timespec& since) {
    return std::tie(time.tv_sec, time.tv_nsec) >= std::tie(since.tv_sec, since.tv_nsec);
}

Attributes attributes_of(const struct stat& info) {
    return {info.st_mode, info.st_uid, info.st_gid, info.st_rdev, S_ISDIR(info.st_mode) ? 0 : info.st_size,
            info.st_mtim};
}

struct stat status_of(int fd, const Path& path) {
    struct stat info {};
    if (::fstat(fd, &info) < 0) throw system_error(errno, "look at '" + path.string() + "'");
    return info;
}

std::vector<std::string> names_in(int directory) { return sys::list_directory(sys::path_of(directory)); }

void look_at_entries(int directory, const std::string& prefix, Copied& copied) {
    for (const std::string& name : names_in(directory)) {
        struct stat info {};
        if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
            throw system_error(errno, "look at '" + prefix + name + "'");
        copied.emplace(prefix + name, attributes_of(info));
        if (S_ISDIR(info.st_mode))
            look_at_entries(sys::open_at(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).get(),
                            prefix + name + "/", copied);
    }
}

/// What vanishes meanwhile is left out.
void look_at_folders(int directory, const std::string& prefix, std::map<std::string, ino_t>& folders) {
    for (const std::string& name : names_in(directory)) {
        const sys::UniqueFd inner(
            ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!inner) continue;
        folders[prefix + name] = status_of(inner.get(), prefix + name).st_ino;
        look_at_folders(inner.get(), prefix + name + "/", folders);
    }
}

class Comparison {
  public:
    Comparison(Copied copied, const Before& before, const std::set<std::string>& written, const FileRecords& records,
               sys::Interrupts& interrupts)
        : copied_(std::move(copied)), before_(before), written_(written), records_(records), interrupts_(interrupts) {}

    void folder(int original, const std::string& prefix) {
        interrupts_.check();
        const struct stat own = status_of(original, prefix);
        for (const std::string& name : names_in(original)) entry(original, prefix, name, own.st_dev);
    }

    /// A name of a changed inode takes its other names along, so that they stay one file.
    Changes take(const struct stat& original) {
        if (copied_.extract(".").mapped() != attributes_of(original) || not_before(original.st_ctim, before_.time))
            changed_.insert(".");
        for (const auto& [path, attributes] : copied_) result_.remove.push_back(path);  // nobody has asked for it
        std::sort(result_.remove.begin(), result_.remove.end());
        for (const auto& [inode, names] : links_) {
            const bool changed = std::any_of(names.begin(), names.end(),
                                             [&](const std::string& name) { return changed_.contains(name); });
            if (changed) changed_.insert(names.begin(), names.end());
        }
        // Sorted: a folder stands before what is in it.
        result_.copy.assign(changed_.begin(), changed_.end());
        return std::move(result_);
    }

  private:
    void entry(int original, const std::string& prefix, const std::string& name, dev_t device) {
        const std::string path = prefix + name;
        struct stat from {};
        if (::fstatat(original, name.c_str(), &from, AT_SYMLINK_NOFOLLOW) < 0)
            throw system_error(errno, "look at '" + path + "'");
        const auto copy = copied_.find(path);
        const bool same = copy != copied_.end() && is_same(path, from, copy->second);
        if (!same || differs(original, name, path, from, copy->second)) changed_.insert(path);
        if (same) copied_.erase(copy);
        if (!S_ISDIR(from.st_mode)) {
            if (from.st_nlink > 1) links_[from.st_ino].push_back(path);
            return;
        }
        if (from.st_dev != device) return;  // another file system: rsync stays out as well
        const sys::UniqueFd inner = sys::open_at(original, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (same)
            folder(inner.get(), path + "/");
        else
            everything_below(inner.get(), path + "/", from.st_dev);
    }

    /// The copy is one of this very entry, as it is now or as it was.
    bool is_same(const std::string& path, const struct stat& from, const Attributes& to) const {
        if ((from.st_mode & S_IFMT) != (to.mode & S_IFMT)) return false;
        if (!S_ISDIR(from.st_mode)) return true;
        const auto known = before_.folders.find(path);
        return known != before_.folders.end() && known->second == from.st_ino;
    }

    bool differs(int original, const std::string& name, const std::string& path, const struct stat& from,
                 const Attributes& to) const {
        if (attributes_of(from) != to || not_before(from.st_ctim, before_.time)) return true;
        if (!S_ISREG(from.st_mode) || !written_.contains(path)) return false;
        const auto known = records_.find(path);
        return known == records_.end() || sys::record_of(original, name, &known->second) != known->second;
    }

    void everything_below(int directory, const std::string& prefix, dev_t device) {
        for (const std::string& name : names_in(directory)) {
            changed_.insert(prefix + name);
            struct stat info {};
            if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
                throw system_error(errno, "look at '" + prefix + name + "'");
            if (S_ISDIR(info.st_mode) && info.st_dev == device)
                everything_below(sys::open_at(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).get(),
                                 prefix + name + "/", device);
        }
    }

    Copied copied_;  ///< what was not met in the original yet
    const Before& before_;
    const std::set<std::string>& written_;
    const FileRecords& records_;
    sys::Interrupts& interrupts_;
    std::set<std::string> changed_;
    std::map<ino_t, std::vector<std::string>> links_;
    Changes result_;
};

}  // namespace

Before Before::look(const Path& tree) {
    Before before;
    (void)clock_gettime(CLOCK_REALTIME, &before.time);
    before.time.tv_sec -= 1;
    look_at_folders(sys::open_path(tree, O_RDONLY | O_DIRECTORY).get(), "", before.folders);
    return before;
}

bool Attributes::operator==(const Attributes& other) const {
    const auto all = [](const Attributes& of) {
        return std::tie(of.mode, of.owner, of.group, of.device, of.size, of.changed.tv_sec, of.changed.tv_nsec);
    };
    return all(*this) == all(other);
}

Copied look_at_copy(const Path& copy) {
    const sys::UniqueFd top = sys::open_path(copy, O_RDONLY | O_DIRECTORY);
    Copied copied{{".", attributes_of(status_of(top.get(), copy))}};
    look_at_entries(top.get(), "", copied);
    return copied;
}

Changes compare(const Path& original, Copied copied, const Before& before, const std::set<std::string>& written,
                const FileRecords& records, sys::Interrupts& interrupts) {
    const sys::UniqueFd from = sys::open_path(original, O_RDONLY | O_DIRECTORY);
    Comparison comparison(std::move(copied), before, written, records, interrupts);
    comparison.folder(from.get(), "");
    return comparison.take(status_of(from.get(), original));
}

}  // namespace stasis::fs
