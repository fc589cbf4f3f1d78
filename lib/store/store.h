#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/store/checkpoint.h"

namespace stasis::store {

/// One line of `stasis list`: what lies under a name.
struct Entry {
    std::string runtime;
    std::string container;
    std::string checkpoint;
    Found found;

    std::string created() const { return found.manifest ? found.manifest->created : ""; }
};

/// Holds a container against other runs of stasis for as long as it lives.
class ContainerLock {
  public:
    ContainerLock(sys::UniqueFd host, sys::UniqueFd store) : host_(std::move(host)), store_(std::move(store)) {}
    /// Given to children that go on when we die, so that the next run on this host waits for them, whatever its store.
    int fd() const { return host_.get(); }

  private:
    sys::UniqueFd host_;
    sys::UniqueFd store_;
};

/// The directory that holds checkpoints as `<runtime>/<container>/<checkpoint>`.
class Store {
  public:
    /// Does not touch the disk yet.
    explicit Store(Path root) : root_(std::move(root)) {}

    const Path& root() const { return root_; }

    /// The folder of a container; the names are checked.
    Path container_folder(const std::string& runtime, const std::string& container) const;
    Location location(const std::string& runtime, const std::string& container, const std::string& checkpoint) const;

    /// Creates the store and the container's folder where they are missing, root's alone, and takes
    /// the container: in this store, and on this host whatever the store. Throws Kind::busy.
    ContainerLock lock(const std::string& runtime, const std::string& container) const;

    /// Runtime and name of each container that has a folder. `runtime` or `container` empty means all.
    std::vector<std::pair<std::string, std::string>> containers(const std::string& runtime,
                                                                const std::string& container) const;

    /// Everything in the store, by runtime, container and time. `runtime` or `container` empty
    /// means all.
    std::vector<Entry> list(const std::string& runtime, const std::string& container) const;

    /// The folders of runs of a container that ended without an owner, until they are cleared.
    std::vector<Folders> interrupted(const std::string& runtime, const std::string& container) const;

    /// The folders in which failed runs left their logs. Empty means all, as for list().
    std::vector<Folders> failures(const std::string& runtime, const std::string& container) const;

    /// Runtimes under which a container of this name has a folder.
    std::vector<std::string> runtimes_of(const std::string& container) const;

    /// Removes what failed runs left of a container: logs of failures, partial checkpoints.
    void clear_failures(const std::string& runtime, const std::string& container) const;

  private:
    Path root_;
};

}  // namespace stasis::store
