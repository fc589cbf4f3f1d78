#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/evidence.h"
#include "lib/base/json.h"
#include "lib/base/option.h"
#include "lib/base/progress.h"
#include "lib/proc/process.h"
#include "lib/sys/child.h"
#include "lib/sys/file.h"
#include "lib/sys/interrupts.h"

namespace stasis::sys {
class Archive;
}

namespace stasis::runtime {

using sys::Path;

/// What the command line says about runtimes.
struct Settings {
    Path runc_root = "/run/runc";
    std::optional<Path> lxc_path;  ///< where LXC keeps its containers; else LXC says
    Path crun_root = "/run/crun";
};

enum class Status { absent, created, stopped, running, paused };

/// A file of the host that is mounted into the container.
struct BindMount {
    Path source;
    std::string destination;
};

/// A file that goes beside the images or into the checkpoint's runtime/ folder.
struct ExtraFile {
    std::string name;
    std::string text;
};

/// A running container as its runtime and the kernel know it: all that a dump needs.
struct Description {
    std::string runtime;
    std::string name;
    proc::Identity init;
    bool paused = false;
    /// Where its root file system lies on the host; empty where there is none of its own.
    Path rootfs;
    std::vector<BindMount> volumes;
    /// The root file system is mounted by the runtime itself when it restores, and not before.
    bool rootfs_by_runtime = false;
    /// Folders beside the root file system that are the container's alone (its /dev/shm, say) and are always kept.
    std::vector<BindMount> own_folders;
    /// CRIU options that follow from how this runtime set the container up.
    OptionList options;
    /// Files that CRIU's images need beside them for the runtime's restore.
    std::vector<ExtraFile> image_files;
    /// The runtime's own configuration.
    std::vector<ExtraFile> runtime_files;
    /// What restore() needs to know later; only this adapter reads it.
    Json details;
    /// The network namespace, where it outlives the container: the host's own, or one made by path.
    /// Empty for one that goes with the container.
    Path lasting_network;
    bool makes_network = false;  ///< a restore makes its network devices again, on any host
    /// The freezer that the runtime uses for this container; empty where it has none of its own.
    Path freezer;
    /// What the container says of its place among others that are stopped and restored together: the lower ones are
    /// stopped first and restored last; "" for nothing.
    std::string order;
};

/// What there is of a checkpoint for an archive of its runtime's own.
struct ArchiveParts {
    struct Volume {
        std::string source;
        std::string destination;
        Path kept;  ///< what the checkpoint has of it
    };
    Path runtime_files;
    Path images;                 ///< as CRIU writes them
    std::optional<Path> rootfs;  ///< where it was kept
    std::vector<Volume> volumes;
    Path room;  ///< an empty folder for what must be packed first
};

/// Everything that a restore by the runtime needs.
struct RestorePlan {
    std::string name;
    Path images;
    Path logs;             ///< where CRIU's log goes
    std::string log_name;  ///< how the log is to be called
    Path runtime_files;    ///< the checkpoint's runtime/ folder
    Json details;
    std::string criu_configuration;  ///< what the dump's options mean for the restore
    Path criu;                       ///< the CRIU that the runtime must find
    std::optional<Path> console_socket;
    bool lazy = false;  ///< the memory follows, from `criu lazy-pages`, whose socket is in `logs`
    /// Leave all tasks stopped (SIGSTOP) before their first instruction; proc::continue_tree() lets them go.
    bool hold = false;
    int lock_fd = -1;  ///< a lock that the restore holds for as long as it runs, should we die

    /// The PATH by which a runtime finds CRIU, and CRIU what stands in for the programs that it calls.
    std::string search_path() const { return sys::path_with({sys::stand_ins(), criu.parent_path()}); }
};

/// One runtime: finds its containers, describes them for a dump, brings them back.
class Adapter {
  public:
    virtual ~Adapter() = default;
    virtual std::string name() const = 0;
    /// What the runtime says of its version, on one line; empty where there is no such program.
    virtual std::string version() const = 0;
    /// Does the runtime have a container of this name? Cheap: a bare name is looked for everywhere.
    virtual bool knows(const std::string& container) const = 0;
    /// The one name by which locks and the store go, for a runtime that takes several for a container.
    virtual std::string name_of(const std::string& container) const { return container; }
    virtual Status status(const std::string& container) const = 0;
    /// All containers that the runtime has, whatever their status, sorted. Nothing where it keeps no list.
    virtual std::optional<std::vector<std::string>> list() const = 0;
    /// Was a container of this name made after that moment of the wall clock? False where nothing tells, after a
    /// reboot above all.
    virtual bool made_since(const std::string& container, std::filesystem::file_time_type moment) const = 0;
    /// Throws Kind::not_found where knows() is false.
    void require_known(const std::string& container) const;
    /// Throws Kind::not_found or, for a container that can't be dumped as it is, Kind::failed.
    virtual Description describe(const std::string& container) const = 0;

    /// What a bug report should have of the container as its runtime knows it: state, configuration.
    /// Throws Kind::not_found where it is unknown.
    virtual std::vector<Evidence> evidence(const std::string&) const { return {}; }

    /// Does the runtime restore its containers itself? Else the caller does, by CRIU directly.
    virtual bool restores() const = 0;
    /// Why it can't restore lazily, or "".
    virtual std::string lazy_obstacle() const { return ""; }
    /// Do restored tasks get the host's pids that they had? Then those must be free.
    virtual bool restores_to_same_pids(const Json& details) const = 0;
    /// Everything that is in the way of a restore on this host; nothing is touched.
    virtual std::vector<std::string> obstacles(const RestorePlan& plan) const = 0;
    /// Makes a container that the runtime does not know here, from what was kept of it: all but its processes and its
    /// files. False where restore() makes it. Throws Kind::failed; nothing of it is left then.
    virtual bool make_again(const RestorePlan&) const { return false; }
    /// Where the files of a container's own lie now (Backend::upper's source), for a runtime that mounts its root file
    /// system by itself: one that was made again has them in another place.
    virtual std::optional<Path> layer(const std::string&) const { return std::nullopt; }
    /// Writes a checkpoint as the runtime's own commands do, for hosts without stasis. Throws Kind::usage for a runtime
    /// that has no such archives, Kind::failed where they have no place for something, Kind::interrupted.
    virtual void write_archive(const ArchiveParts&, sys::Archive&, sys::Interrupts&) const {
        throw Error(Kind::usage, name() + " has no archives of its own").hint("export it for `stasis import`");
    }
    /// Brings the container back; returns its init. Throws Kind::failed with the causal lines of
    /// CRIU's log in its details. After a signal or the deadline a restore that takes two seconds more
    /// hangs, on a file lock for example, and is ended.
    virtual proc::Identity restore(const RestorePlan& plan, sys::Interrupts& interrupts) const = 0;

    /// Kills a running container and waits until it is gone.
    virtual void kill(const std::string& container) const = 0;
    /// Has one that was just restored stand still, as it did when it was dumped; it does not run on where that fails.
    template <typename Pause>
    void pause_or_kill(const std::string& container, Pause pause) const {
        try {
            pause();
        } catch (const Error&) {
            kill(container);
            throw;
        }
    }
    /// The container stands still, and ends in a moment with its state on disk: its runtime must not start it again.
    /// It may be dead on return; where it throws, it lives.
    virtual void keep_stopped(const std::string&) const {}
    /// Makes sure that the runtime has noticed the end of a container, and holds nothing of it any more (mounts, a
    /// network). Its files may change after that.
    virtual void put_away(const std::string&) const {}
    /// Removes a container that runs, is half restored, or has ended, and what the runtime keeps of it; not its files,
    /// but for those that lie with a runtime that mounts them itself.
    /// `details` as in its description.
    virtual void remove(const std::string& container, const Json& /*details*/) const { kill(container); }

    /// Why this container can't be restored, and what to do instead; nothing where it can. Such a container is only
    /// dumped to a directory, for inspection.
    virtual std::optional<Error> no_restore(const std::string&) const { return std::nullopt; }
};

/// The runtimes that stasis knows, in the order in which a bare name is looked for.
std::vector<std::unique_ptr<Adapter>> make_adapters(const Settings& settings);

}  // namespace stasis::runtime
