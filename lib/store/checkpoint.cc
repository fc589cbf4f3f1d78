#include "lib/store/checkpoint.h"

#include <fcntl.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/store/names.h"
#include "lib/sys/checksum.h"
#include "lib/sys/lock.h"

namespace stasis::store {
namespace {

constexpr mode_t kPrivate = 0700;
/// A restore into a user namespace opens the images as the mapped root, which is another user to
/// the host. The private folder above keeps everyone else out.
constexpr mode_t kSearchable = 0755;

constexpr const char* kUnpacked = ".unpacked";

std::string partial_name(const std::string& name) { return name + ".partial"; }

bool is_there(const Path& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

/// Whatever else bears the name of a checkpoint, a link above all, is not ours.
bool is_folder(const Path& path) { return std::filesystem::is_directory(std::filesystem::symlink_status(path)); }

/// A name for the remains of a failure that is not taken yet.
std::string failed_name(const Path& folder) {
    const std::string stem = "failed-" + utc_stamp();
    std::string name = stem;
    for (int i = 2; is_there(folder / name); ++i) name = stem + "-" + std::to_string(i);
    return name;
}

void remove_all_but_logs(const Folders& folders) {
    for (const std::string& name : sys::list_directory(folders.root))
        if (name != "logs") sys::remove_tree(folders.root / name);
}

FileRecords with_prefix(const std::string& prefix, const FileRecords& records) {
    FileRecords result;
    for (const auto& [path, record] : records) result[prefix + path] = record;
    return result;
}

std::uint64_t total_size(const FileRecords& records) {
    std::uint64_t total = 0;
    for (const auto& [path, record] : records) total += record.is_link ? 0 : record.size;
    return total;
}

/// Among the logs.
void write_note(const Location& location, const Path& file, const std::string& text) {
    constexpr mode_t kOwnerOnly = 0600;
    // A link in the place of the logs leads nowhere: what is refused as damaged is noted as well.
    const sys::UniqueFd root = sys::open_path(location.path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const sys::UniqueFd logs = sys::open_beneath(root.get(), "logs", O_RDONLY | O_DIRECTORY);
    sys::write_file_atomically(sys::path_of(logs.get()) / file.filename(), text, kOwnerOnly);
}

}  // namespace

Location plain_location(const Path& directory) {
    const Path whole = directory.empty() ? Path() : std::filesystem::absolute(directory).lexically_normal();
    const Path path = whole.has_filename() ? whole : whole.parent_path();
    const std::string name = path.filename();
    if (name.empty() || name == "." || name == ".." || name.ends_with(".partial"))
        throw Error(Kind::usage, "'" + directory.string() + "' can't be the folder of a checkpoint");
    return {path.parent_path(), name};
}

Folders partial_folders(const Location& location) { return {location.folder / partial_name(location.name)}; }

Path unpacked_folder(const Location& location) { return location.folder / ("." + location.name + kUnpacked); }

bool is_unpacked_folder(const std::string& name) { return name.starts_with(".") && name.ends_with(kUnpacked); }

std::string to_string(State state) {
    switch (state) {
        case State::absent: return "absent";
        case State::writing: return "writing";
        case State::interrupted: return "interrupted";
        case State::sealed: return "sealed";
        case State::damaged: return "damaged";
        case State::newer: return "newer";
    }
    return "unknown";
}

Partial::Partial(Location location, sys::UniqueFd lock)
    : location_(std::move(location)), folders_(partial_folders(location_)), lock_(std::move(lock)) {}

Partial::Partial(Partial&& other) noexcept
    : location_(std::move(other.location_)),
      folders_(std::move(other.folders_)),
      lock_(std::move(other.lock_)),
      sealed_(other.sealed_) {}

Partial::~Partial() {
    if (sealed_ || !lock_) return;
    try {
        (void)abandon();
    } catch (const Error&) {
        // The remains stay as `<name>.partial` without an owner: the next run clears them away.
    }
}

Partial Partial::begin(const Location& location) {
    const Path path = location.folder / partial_name(location.name);
    if (is_there(location.path()))
        throw Error(Kind::busy, "there is a checkpoint '" + location.name + "' already")
            .hint("choose another name, or delete it first");
    if (is_there(path)) {
        const std::optional<sys::UniqueFd> remains = is_folder(path) ? sys::try_lock(path, false) : sys::UniqueFd();
        if (!remains) throw Error(Kind::busy, "another run is writing the checkpoint '" + location.name + "'");
        sys::remove_tree(path);
    }
    // One that is there again is somebody else's: --dir may be in a folder that others write to.
    sys::make_new_directory(path, kPrivate);
    // Only a reader that is looking whether we live can hold it, and for an instant.
    Partial partial(location, sys::wait_for_lock(path));
    sys::make_directory(partial.folders_.images(), kSearchable);
    sys::make_directory(partial.folders_.runtime(), kPrivate);
    sys::make_directory(partial.folders_.logs(), kPrivate);
    return partial;
}

void Partial::seal(Manifest& manifest, const FileRecords& known, sys::Interrupts& interrupts) {
    sys::start_writing_back(folders_.images());  // the disk writes while we read
    const FileRecords images =
        sys::record_tree(folders_.images(), interrupts, [&](const std::string& path, const struct stat& info) {
            const auto record = known.find(path);
            const bool fits = record != known.end() && record->second.size == static_cast<std::uint64_t>(info.st_size);
            return fits ? std::optional(record->second) : std::nullopt;
        });
    manifest.image_bytes = total_size(images);
    manifest.rootfs_bytes = total_size(manifest.files);
    manifest.files.merge(with_prefix("images/", images));
    manifest.files.merge(with_prefix("runtime/", sys::record_tree(folders_.runtime(), interrupts)));

    // Everything is on disk before it gets the name that vouches for it.
    constexpr mode_t kOwnerOnly = 0600;
    sys::write_new_file(folders_.manifest(), to_text(manifest), kOwnerOnly);
    sys::sync_file_system(lock_.get(), folders_.root.native());
    interrupts.check();
    const sys::UniqueFd folder = sys::open_path(location_.folder, O_RDONLY | O_DIRECTORY);
    if (!sys::rename_new(folder.get(), partial_name(location_.name), location_.name))
        throw Error(Kind::busy, "a checkpoint '" + location_.name + "' appeared meanwhile");
    folders_.root = location_.path();
    sealed_ = true;
}

void Partial::discard() {
    if (!sealed_) sys::remove_tree(abandon().parent_path());
}

Path Partial::abandon() {
    if (!lock_) return folders_.logs();  // it was done before
    remove_all_but_logs(folders_);
    const std::string name = failed_name(location_.folder);
    const sys::UniqueFd folder = sys::open_path(location_.folder, O_RDONLY | O_DIRECTORY);
    (void)sys::rename_new(folder.get(), folders_.root.filename(), name);
    folders_.root = location_.folder / name;
    lock_.reset();
    return folders_.logs();
}

Path Partial::unseal() {
    const sys::UniqueFd folder = sys::open_path(location_.folder, O_RDONLY | O_DIRECTORY);
    (void)sys::rename_new(folder.get(), location_.name, partial_name(location_.name));
    folders_.root = location_.folder / partial_name(location_.name);
    sealed_ = false;
    return abandon();
}

Found look_at(const Location& location) {
    if (!is_there(location.path())) {
        const Path partial = location.folder / partial_name(location.name);
        if (!is_there(partial)) return {State::absent, std::nullopt};
        const bool is_written = is_folder(partial) && !sys::try_lock(partial, false);
        return {is_written ? State::writing : State::interrupted, std::nullopt};
    }
    try {
        return {State::sealed, read_manifest(location)};
    } catch (const NewerFormat&) {
        return {State::newer, std::nullopt};
    } catch (const Error&) {
        return {State::damaged, std::nullopt};
    }
}

Manifest read_manifest(const Location& location) {
    const std::string where = location.path().string();
    if (!is_there(location.path())) throw Error(Kind::not_found, "there is no checkpoint '" + where + "'");
    try {
        const sys::UniqueFd root = sys::open_path(location.path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        // Whatever else bears that name, a FIFO above all, must not make us wait.
        const sys::UniqueFd file = sys::open_beneath(root.get(), "manifest.json", O_RDONLY | O_NONBLOCK);
        return parse_manifest(sys::read_all(file.get(), where), where);
    } catch (Error& error) {
        error.kind(Kind::damaged);
        throw;
    }
}

std::vector<std::string> verify(const Location& location, const Manifest& manifest, sys::Interrupts& interrupts) {
    std::vector<std::string> problems;
    FileRecords found;
    for (const std::string& name : sys::list_directory(location.path())) {
        if (name == "manifest.json") continue;
        const Path path = location.path() / name;
        if (!is_folder(path))
            problems.push_back("'" + name + "' does not belong there");
        else if (name != "logs")
            found.merge(with_prefix(name + "/",
                                    sys::record_tree(path, interrupts, {}, records_below(manifest.files, name + "/"))));
    }
    for (const auto& [path, record] : manifest.files) {
        const auto there = found.find(path);
        if (there == found.end())
            problems.push_back("'" + path + "' is missing");
        else if (there->second != record)
            problems.push_back("'" + path + "' is not as it was sealed");
    }
    for (const auto& [path, record] : found)
        if (!manifest.files.contains(path)) problems.push_back("'" + path + "' does not belong there");
    return problems;
}

void note_restore(const Location& location, const LastRestore& restore) {
    const Json note{{"worked", restore.worked}, {"time", restore.time}, {"boot_id", restore.boot_id}};
    write_note(location, Folders{location.path()}.last_restore(), note.dump(2) + "\n");
}

void note_end(const Location& location) { write_note(location, Folders{location.path()}.ended(), ""); }

bool has_ended(const Location& location) { return std::filesystem::exists(Folders{location.path()}.ended()); }

std::optional<LastRestore> last_restore(const Location& location) {
    const std::optional<std::string> text = sys::read_file_if_exists(Folders{location.path()}.last_restore());
    if (!text) return std::nullopt;
    try {
        const Json note = Json::parse(*text);
        return LastRestore{note.at("worked"), note.at("time"), note.at("boot_id")};
    } catch (const nlohmann::json::exception&) {
        return std::nullopt;
    }
}

void remove(const Location& location) {
    sys::remove_tree(unpacked_folder(location));
    const sys::UniqueFd folder = sys::open_path(location.folder, O_RDONLY | O_DIRECTORY);
    const std::string doomed = partial_name(location.name);
    if (is_there(location.path())) {
        sys::remove_tree(location.folder / doomed);
        (void)sys::rename_new(folder.get(), location.name, doomed);
    }
    sys::remove_tree(location.folder / doomed);
}

}  // namespace stasis::store
