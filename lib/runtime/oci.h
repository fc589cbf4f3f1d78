#pragma once

#include <functional>
#include <string>

#include "lib/runtime/runtime.h"
#include "lib/sys/child.h"

namespace stasis::runtime {

/// A running container of an OCI runtime, or of an engine that has one below it.
struct OciContainer {
    Path bundle;  ///< the folder with its config.json
    Path rootfs;
    proc::Identity init;
    bool paused = false;
};

/// Description::order, from a label, which is what podman's users give a container (null where there are none), or from
/// an annotation of its configuration, which reaches the runtime below an engine, too.
std::string order_of(const Json& config, const Json& labels);

/// A bundle's config.json. Throws Kind::failed where it can't be read as one.
Json read_oci_config(const Path& bundle);

/// The path of a namespace of this type that the container was given by its configuration, or "".
std::string namespace_path(const Json& config, const std::string& type);

/// As Description::lasting_network.
Path lasting_network(const Json& config);

/// Under which key a runtime's restore hands a mount from outside back.
using MountKey = std::function<std::string(const proc::Mount&)>;

/// That of `runc restore`: masked files as the host's /dev/null, all others by where they are mounted.
std::string runc_mount_key(const proc::Mount& mount);

/// What its configuration and the kernel say of it. The caller adds what only the runtime knows: names first of all.
/// Its details hold `bundle`, `freezer`, `paused`, `stdio`, `console`, `network_path` and `own_network`.
Description describe_oci(const OciContainer& container, const Json& config, const MountKey& key);

/// The folder of the freezer that the container has for itself, or "" where its init sits in the root of the
/// hierarchy.
Path freezer_of(const proc::Identity& init);

/// Waits for `runc restore`, or what has started it; runc and its children descend from `root`. A CRIU that dies half
/// way leaves tasks that hold its socket, so that runc never sees the end of file and waits for ever (runc 1.1.5): then
/// these are ended, and so they are with a CRIU that hangs after an interrupt.
sys::WaitStatus wait_for_restore(sys::Child& child, pid_t root, sys::Interrupts& interrupts);

/// Half-made tasks of a restore whose runtime, CRIU and stasis were killed together; nobody else ends
/// them. `freezer` as in the description; only called while the container does not run.
void end_remains(const Path& freezer);

}  // namespace stasis::runtime
