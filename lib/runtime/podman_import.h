#pragma once

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// What podman's own checkpoint of a container tells (`podman container checkpoint --export`, podman 4.3.1), once its
/// archive is unpacked.
struct PodmanCheckpoint {
    /// The layer of its own, as podman's archives have it.
    struct Layer {
        Path path;                         ///< where podman mounts the container's root
        Path folder;                       ///< where the layer lay
        std::vector<Path> below;           ///< the layers of the image, the uppermost first
        std::optional<Path> added;         ///< a tar archive of all that was added and changed
        std::vector<std::string> removed;  ///< from the container's root, without a "/" at the beginning
    };
    std::string name;
    Path images;
    std::vector<ExtraFile> runtime_files;
    Json details;          ///< as Description::details of a podman container
    OptionList options;    ///< CRIU's, as a restore needs them
    std::string order;     ///< as Description::order
    Path lasting_network;  ///< as Description::lasting_network
    std::optional<Layer> layer;
    std::vector<ArchiveParts::Volume> volumes;  ///< `kept` is a tar archive
};

/// In an archive, the file that tells the container's name.
std::string name_in_podman_config(const std::string& config);

/// All names that podman's archives can have at their top.
const std::vector<std::string>& podman_archive_names();

/// Reads an archive that lies unpacked in `folder`. Throws Kind::damaged for what is no whole checkpoint, Kind::failed
/// for one that stasis can't restore, or whose image podman does not have here.
PodmanCheckpoint read_podman_archive(const Path& folder);

}  // namespace stasis::runtime
