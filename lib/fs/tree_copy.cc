#include "lib/fs/tree_copy.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "lib/base/error.h"
#include "lib/fs/changes.h"
#include "lib/fs/copy_entries.h"
#include "lib/sys/checksum.h"

namespace stasis::fs {
namespace {

/// Everything at `path` below `root` but for folders that stay: a new inode is made for each, so
/// that nothing is ever changed in place in a file that an earlier checkpoint shares.
void unlink_below(const Path& root, const std::string& path) {
    struct stat info {};
    const Path whole = root / path;
    if (::lstat(whole.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) (void)::unlink(whole.c_str());
}

/// Takes a path, and all that lies below it, out of a map by paths.
template <typename Map>
void forget(Map& map, const std::string& path) {
    constexpr char kAfterSlash = '/' + 1;
    map.erase(path);
    map.erase(map.lower_bound(path + "/"), map.lower_bound(path + kAfterSlash));
}

/// What rsync takes longer to start for than to copy.
constexpr std::size_t kFewEntries = 2000;
constexpr std::uintmax_t kFewBytes = 16 << 20;

/// All that is in a tree, sorted, the top as "."; nothing where that is much. What vanishes meanwhile throws.
std::optional<std::vector<std::string>> few_entries(const Path& tree) {
    struct stat top {};
    if (::lstat(tree.c_str(), &top) < 0) throw system_error(errno, "look at '" + tree.string() + "'");
    std::vector<std::string> paths{"."};
    std::uintmax_t bytes = 0;
    for (std::filesystem::recursive_directory_iterator at(tree), end; at != end; ++at) {
        struct stat info {};
        if (::lstat(at->path().c_str(), &info) < 0) throw system_error(errno, "look at '" + at->path().string() + "'");
        if (S_ISREG(info.st_mode)) bytes += static_cast<std::uintmax_t>(info.st_size);
        if (info.st_dev != top.st_dev) at.disable_recursion_pending();  // rsync stays out of other file systems as well
        paths.push_back(at->path().lexically_relative(tree));
        if (paths.size() > kFewEntries || bytes > kFewBytes) return std::nullopt;
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

/// Copies a small tree at once. False where there is too much of it, or where it changes just now: rsync can live
/// with that.
bool copy_at_once(const Path& from, const Path& to) {
    try {
        const auto paths = few_entries(from);
        if (!paths) return false;
        sys::Interrupts uninterrupted = sys::Interrupts::none();
        copy_entries(from, to, *paths, uninterrupted);
        return true;
    } catch (const std::exception&) {
        sys::remove_tree(to);
        sys::make_directory(to, 0700);
        return false;
    }
}

}  // namespace

TreeCopy::TreeCopy(Path from, Path to, std::optional<Parent> parent, int lock_fd)
    : from_(std::move(from)), to_(std::move(to)), parent_(std::move(parent)), lock_fd_(lock_fd) {}

void TreeCopy::start_first_pass(const std::set<std::string>& written) {
    suspects_ = written;
    if (parent_) suspects_.insert(parent_->written.begin(), parent_->written.end());
    before_ = Before::look(from_);
    sys::make_directory(to_, 0700);
    if (!parent_ && copy_at_once(from_, to_)) return;
    RsyncJob job{from_, to_};
    if (parent_) job.link_to = parent_->folder;
    job.live = true;
    job.lock_fd = lock_fd_;
    first_pass_.emplace(Rsync::start(job));
}

void TreeCopy::finish_first_pass(sys::Interrupts& interrupts) {
    if (first_pass_) {
        first_pass_->finish(interrupts);
        // Else the file system may choose to write all of it while CRIU, and the target with it, waits for its turn.
        sys::sync_file_system(sys::open_path(to_, O_RDONLY | O_DIRECTORY).get(), to_.native());
    }
    // A file that shares its inode with the parent's has the parent's checksum.
    const auto known = [this](const std::string& path, const struct stat& info) -> std::optional<FileRecord> {
        struct stat earlier {};
        if (!parent_ || info.st_nlink < 2) return std::nullopt;
        const auto record = parent_->records.find(path);
        if (record == parent_->records.end() || ::lstat((parent_->folder / path).c_str(), &earlier) < 0 ||
            earlier.st_ino != info.st_ino || earlier.st_dev != info.st_dev)
            return std::nullopt;
        shared_[path] = record->second.size;
        return record->second;
    };
    records_ = sys::record_tree(to_, interrupts, known);
    copied_ = look_at_copy(to_);
}

void TreeCopy::second_pass(const std::set<std::string>& written, sys::Interrupts& interrupts) {
    suspects_.insert(written.begin(), written.end());
    const Changes changes = compare(from_, std::move(copied_), before_, suspects_, records_, interrupts);
    for (const std::string& path : changes.remove) {
        sys::remove_tree(to_ / path);
        forget(records_, path);
        forget(shared_, path);
    }
    copy_again(changes.copy, interrupts);
    for (const std::string& path : written)
        if (records_.contains(path)) written_.insert(path);
}

void TreeCopy::copy_again(const std::vector<std::string>& paths, sys::Interrupts& interrupts) {
    if (paths.empty()) return;
    for (const std::string& path : paths) {
        unlink_below(to_, path);
        records_.erase(path);
        shared_.erase(path);
    }
    copy_entries(from_, to_, paths, interrupts);
    for (const std::string& path : paths) {
        const Path whole = to_ / path;
        const sys::UniqueFd folder = sys::open_path(whole.parent_path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (const std::optional<FileRecord> record = sys::record_of(folder.get(), whole.filename()))
            records_[path] = *record;
    }
}

std::uint64_t TreeCopy::shared_bytes() const {
    std::uint64_t total = 0;
    for (const auto& [path, size] : shared_) total += size;
    return total;
}

}  // namespace stasis::fs
