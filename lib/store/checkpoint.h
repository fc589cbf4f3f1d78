#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/store/manifest.h"
#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::store {

using sys::Path;

/// Where a checkpoint lies: in a container's folder of the store, or anywhere (--dir).
struct Location {
    Path folder;
    std::string name;

    Path path() const { return folder / name; }
};

/// A plain directory given by --dir, with its parent made absolute. Throws Kind::usage when the
/// name can't be used.
Location plain_location(const Path& directory);

/// What a reader finds under a checkpoint's name.
enum class State {
    absent,
    writing,      ///< partial, its owner lives
    interrupted,  ///< partial, its owner is gone; the next run clears it away
    sealed,
    damaged,  ///< no manifest that can be read
    newer,    ///< from a newer stasis
};

std::string to_string(State state);

/// The folders of a checkpoint, partial or sealed.
struct Folders {
    Path root;

    Path images() const { return root / "images"; }
    Path rootfs() const { return root / "rootfs"; }
    Path volumes() const { return root / "volumes"; }
    Path runtime() const { return root / "runtime"; }
    Path logs() const { return root / "logs"; }
    Path last_restore() const { return logs() / "last-restore.json"; }
    Path ended() const { return logs() / "ended"; }
    Path manifest() const { return root / "manifest.json"; }
};

/// Where a checkpoint lies while it is made.
Folders partial_folders(const Location& location);

/// Where its images may be unpacked for a while; no checkpoint can have that name.
Path unpacked_folder(const Location& location);
bool is_unpacked_folder(const std::string& name);

/// A checkpoint in the making: `<name>.partial`, locked by us for as long as it lives, so that
/// readers can tell a running dump from the remains of one. Becomes `<name>` in one rename, or
/// `failed-<time>` with nothing but its logs.
class Partial {
  public:
    /// Clears the remains of an earlier run and creates the folders. Throws Kind::busy when the
    /// name is taken or another run is writing it.
    static Partial begin(const Location& location);
    Partial(Partial&& other) noexcept;
    Partial& operator=(Partial&&) = delete;
    ~Partial();

    const Folders& folders() const { return folders_; }

    /// The commit point: records the files that the manifest doesn't have yet (images, runtime),
    /// syncs everything, writes the manifest, renames. Everything that may be interrupted comes
    /// before the rename; `interrupts` is asked up to there. Images of which `known` has a record are not read.
    void seal(Manifest& manifest, const FileRecords& known, sys::Interrupts& interrupts);
    bool sealed() const { return sealed_; }

    /// Keeps the logs as `failed-<time>`, removes the rest; returns the folder of the logs.
    Path abandon();

    /// Removes all of it, unless it is sealed: what was brought from elsewhere has no logs of a failure here.
    void discard();

    /// Takes a sealed checkpoint back, for a dump whose target outlived it after all.
    Path unseal();

  private:
    Partial(Location location, sys::UniqueFd lock);

    Location location_;
    Folders folders_;
    sys::UniqueFd lock_;
    bool sealed_ = false;
};

/// What lies under a checkpoint's name, with its manifest where it is sealed.
struct Found {
    State state = State::absent;
    std::optional<Manifest> manifest;
};
Found look_at(const Location& location);

/// Reads the manifest of a sealed checkpoint. Throws Kind::not_found where there is none,
/// Kind::damaged where it can't be trusted.
Manifest read_manifest(const Location& location);

/// Everything in which the checkpoint differs from its manifest: files that are missing, changed
/// or too many. Empty means whole. Logs are not covered: CRIU writes them past the seal.
std::vector<std::string> verify(const Location& location, const Manifest& manifest, sys::Interrupts& interrupts);

/// How the last restore of a checkpoint ended. It lies among the logs, which no seal covers.
struct LastRestore {
    bool worked = false;
    std::string time;     ///< UTC
    std::string boot_id;  ///< of the host
};

/// Durable when it returns; throws system_error.
void note_restore(const Location& location, const LastRestore& restore);
/// Nothing where there was none, or where its note can't be read.
std::optional<LastRestore> last_restore(const Location& location);

/// Notes that what a stop state is of has ended after its seal. Where the run was killed in between there is no such
/// note, and it may have run on. Durable when it returns; throws system_error.
void note_end(const Location& location);
bool has_ended(const Location& location);

/// Removes a checkpoint in two steps, so that a crash leaves no half that looks whole.
void remove(const Location& location);

}  // namespace stasis::store
