#include "lib/store/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "lib/base/error.h"
#include "lib/store/names.h"
#include "lib/sys/lock.h"

namespace stasis::store {
namespace {

constexpr mode_t kPrivate = 0700;
constexpr const char* kHostLocks = "/run/stasis";

/// Memory images lie below: the folder must be a real one that root alone can enter.
void require_private(const Path& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) < 0) throw system_error(errno, "look at '" + path.string() + "'");
    constexpr mode_t kForOthers = 0077;
    if (S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & kForOthers) == 0) return;
    throw Error(Kind::precondition, "'" + path.string() + "' is not a folder that root alone can enter")
        .hint("run: chown root: '" + path.string() + "' && chmod 700 '" + path.string() + "', or use another --store");
}

sys::UniqueFd lock_or_throw(const Path& path, const std::string& target) {
    std::optional<sys::UniqueFd> lock = sys::try_lock(path, true);
    if (!lock)
        throw Error(Kind::busy, "another run of stasis is working on '" + target + "'")
            .hint("wait until it is done; `fuser -v " + path.string() + "` names it");
    return std::move(*lock);
}

/// Folders in a folder of the store; whatever else lies there is someone else's.
std::vector<std::string> folders_in(const Path& path) {
    std::vector<std::string> names = sys::list_directory(path);
    std::erase_if(names, [&](const std::string& name) { return !std::filesystem::is_directory(path / name); });
    return names;
}

bool is_remains_of_failure(const std::string& name) {
    return name.starts_with("failed-") || name.ends_with(".partial");
}

}  // namespace

Path Store::container_folder(const std::string& runtime, const std::string& container) const {
    check_container_name(container);
    return root_ / runtime / container;
}

Location Store::location(const std::string& runtime, const std::string& container,
                         const std::string& checkpoint) const {
    check_checkpoint_name(checkpoint);
    return {container_folder(runtime, container), checkpoint};
}

ContainerLock Store::lock(const std::string& runtime, const std::string& container) const {
    const Path folder = container_folder(runtime, container);
    const std::string target = runtime + ":" + container;

    const Path host_folder = Path(kHostLocks) / runtime;
    sys::make_directory(kHostLocks, kPrivate);
    sys::make_directory(host_folder, kPrivate);
    sys::UniqueFd host = lock_or_throw(host_folder / (container + ".lock"), target);

    std::error_code ignored;
    std::filesystem::create_directories(root_.parent_path(), ignored);
    for (const Path& path : {root_, folder.parent_path(), folder}) {
        sys::make_directory(path, kPrivate);
        require_private(path);
    }
    return {std::move(host), lock_or_throw(folder / "lock", target)};
}

std::vector<std::pair<std::string, std::string>> Store::containers(const std::string& only_runtime,
                                                                   const std::string& only_container) const {
    std::vector<std::pair<std::string, std::string>> found;
    for (const std::string& runtime : folders_in(root_)) {
        if (!only_runtime.empty() && runtime != only_runtime) continue;
        for (const std::string& container : folders_in(root_ / runtime))
            if (only_container.empty() || container == only_container) found.emplace_back(runtime, container);
    }
    return found;
}

std::vector<Entry> Store::list(const std::string& only_runtime, const std::string& only_container) const {
    std::vector<Entry> entries;
    for (const auto& [runtime, container] : containers(only_runtime, only_container))
        for (std::string name : sys::list_directory(root_ / runtime / container)) {
            if (name == "lock" || name.starts_with("failed-") || name.starts_with(".")) continue;
            if (name.ends_with(".partial")) name.resize(name.size() - std::string(".partial").size());
            entries.push_back({runtime, container, name, look_at({root_ / runtime / container, name})});
        }
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return std::tuple(a.runtime, a.container, a.created()) < std::tuple(b.runtime, b.container, b.created());
    });
    return entries;
}

std::vector<Folders> Store::interrupted(const std::string& runtime, const std::string& container) const {
    std::vector<Folders> remains;
    for (const Entry& entry : list(runtime, container))
        if (entry.found.state == State::interrupted)
            remains.push_back(partial_folders({container_folder(runtime, container), entry.checkpoint}));
    return remains;
}

std::vector<Folders> Store::failures(const std::string& only_runtime, const std::string& only_container) const {
    std::vector<Folders> failures;
    for (const auto& [runtime, container] : containers(only_runtime, only_container))
        for (const std::string& name : folders_in(root_ / runtime / container))
            if (is_remains_of_failure(name)) failures.push_back({root_ / runtime / container / name});
    return failures;
}

std::vector<std::string> Store::runtimes_of(const std::string& container) const {
    check_container_name(container);
    std::vector<std::string> runtimes;
    for (const std::string& runtime : folders_in(root_))
        if (!sys::list_directory(root_ / runtime / container).empty()) runtimes.push_back(runtime);
    return runtimes;
}

void Store::clear_failures(const std::string& runtime, const std::string& container) const {
    const Path folder = container_folder(runtime, container);
    for (const std::string& name : sys::list_directory(folder))
        if (is_remains_of_failure(name) || is_unpacked_folder(name)) sys::remove_tree(folder / name);
}

}  // namespace stasis::store
