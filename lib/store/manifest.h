#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/expectations.h"
#include "lib/base/file_record.h"
#include "lib/base/json.h"
#include "lib/base/option.h"
#include "lib/store/network_record.h"
#include "lib/sys/file.h"

namespace stasis::store {

/// A checkpoint that a later stasis wrote: not damaged, but not ours to read.
class NewerFormat : public Error {
  public:
    using Error::Error;
};

/// The format that this stasis writes, and the oldest that it reads.
constexpr int kFormat = 2;
constexpr int kOldestFormat = 1;

struct Task {
    int pid = 0;  ///< on the host, when it was dumped
    std::string command;
};

/// A volume that was copied along: where it lay, and in which folder of the checkpoint it is.
struct Volume {
    std::string source;
    std::string destination;
    std::string folder;
};

/// How the root file system was kept.
struct Rootfs {
    std::string backend = "none";     ///< "none", "copy", "overlay", "upper" or "btrfs"
    std::string path;                 ///< where it lies on the host
    std::string source;               ///< what was copied: path itself, or the overlay's upper folder
    std::string mount_options;        ///< of an overlay, to mount it again
    std::string linked_to;            ///< checkpoint whose unchanged files are shared by hard links
    std::set<std::string> written{};  ///< files that were being written: their time stamps may not tell of changes
};

/// Everything that a checkpoint says of itself, first of all its format.
struct Manifest {
    int format = kFormat;
    std::string stasis_version;
    std::string runtime;
    std::string runtime_version;  ///< as the runtime says it; empty where there is none
    std::string container;
    std::string checkpoint;
    std::string kind;  ///< "snapshot" or "stop"
    std::string created;

    // Of the host that dumped it; empty but for the architecture where an engine's own archive does not say.
    std::string host_name;
    std::string kernel;
    std::string architecture;
    std::string boot_id;
    std::vector<std::string> cpu_features;
    std::string criu_version;

    OptionList criu_options;
    std::string parent;         ///< checkpoint with which unchanged memory is shared by hard links, or empty
    bool lacks_memory = false;  ///< of a post-copy: what can follow is in no image, and nothing is restored without it
    Json runtime_details;       ///< what the runtime's adapter needs to restore; only it reads them
    std::vector<Task> tasks;
    std::string lasting_network;     ///< a network namespace that outlives the target: a stop leaves it locked
    NetworkRecord network;           ///< what was in it, where it was made by path
    bool restored_with_all = false;  ///< stopped with all others, to come back with them
    std::string order;               ///< its place among them, as the container says it
    Expectations expected;
    Rootfs rootfs;
    std::vector<Volume> volumes;

    long long freeze_us = 0;  ///< for a stop: until it was sealed
    std::uint64_t image_bytes = 0;
    std::uint64_t rootfs_bytes = 0;
    FileRecords files;

    std::string target() const { return runtime + ":" + container; }
    std::uint64_t bytes() const { return image_bytes + rootfs_bytes; }
};

/// The text of manifest.json. Its last key is a checksum of all the rest.
std::string to_text(const Manifest& manifest);

/// Reads what to_text wrote. Throws NewerFormat for a format that is too new, Kind::damaged for one
/// that is no longer read and for damage (its own checksum does not fit).
Manifest parse_manifest(const std::string& text, const std::string& where);

}  // namespace stasis::store
