#include "lib/runtime/podman_archive.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>

#include "lib/base/error.h"
#include "lib/runtime/podman_config.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

/// What an overlay's upper folder says of the layers below it (Documentation/filesystems/overlayfs.rst).
struct Layer {
    std::string kept;              ///< names to be packed, each with a NUL at its end, a folder before what is in it
    Json deleted = Json::array();  ///< from the container's root
};

bool hides_all_below(const Path& folder) {
    char value = 0;
    return ::lgetxattr(folder.c_str(), "trusted.overlay.opaque", &value, sizeof value) == 1 && value == 'y';
}

Layer look_at_layer(const Path& upper) {
    Layer layer;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(upper)) {
        const std::string name = entry.path().lexically_relative(upper);
        struct stat info {};
        if (::lstat(entry.path().c_str(), &info) < 0) throw system_error(errno, "look at '" + name + "'");
        if (S_ISDIR(info.st_mode) && hides_all_below(entry.path()))
            throw Error(Kind::failed,
                        "the folder '/" + name + "' was removed and made again, which podman's archives can't say")
                .hint("export it without --podman, for `stasis import`");
        if (S_ISCHR(info.st_mode) && info.st_rdev == 0)
            layer.deleted.push_back("/" + name);
        else if (!S_ISSOCK(info.st_mode))
            layer.kept += name + '\0';
    }
    return layer;
}

/// `names`: as in Layer::kept, or nothing for all. What overlayfs notes for itself stays out.
void pack(const Path& folder, const Path& archive, const std::optional<std::string>& names,
          sys::Interrupts& interrupts) {
    sys::Command tar;
    tar.args = {"tar",
                "--create",
                "--sparse",
                "--numeric-owner",
                "--xattrs",
                "--xattrs-include=user.*",
                "--xattrs-include=security.*",
                "--acls",
                "--directory",
                folder,
                "--file",
                archive};
    if (!names) {
        tar.args.emplace_back(".");
        (void)sys::run_or_throw(tar, &interrupts);
        return;
    }
    const Path list = archive.native() + ".names";
    sys::write_new_file(list, *names, 0600);
    tar.args.insert(tar.args.end(), {"--null", "--no-recursion", "--files-from", list});
    (void)sys::run_or_throw(tar, &interrupts);
    std::filesystem::remove(list);
}

/// Where podman looks for the content of a volume, or nothing where it has no name there.
std::optional<Path> place_of(const ArchiveParts::Volume& volume, const Json& config) {
    if (volume.destination == "/dev/shm") return kPodmanSharedMemory;
    for (const Json& named : config.value("namedVolumes", Json::array()))
        if (named.at("dest") == volume.destination) return volume_in_archive(named.at("volumeName"));
    return std::nullopt;
}

}  // namespace

Path volume_in_archive(const std::string& name) { return Path("volumes") / (name + ".tar"); }

Json add_podman_settings(const Path& runtime_files, sys::Archive& archive) {
    const std::optional<std::string> config = sys::read_file_if_exists(runtime_files / kPodmanConfig);
    if (!config)
        throw Error(Kind::failed, "podman's settings of the container were not kept")
            .hint("stasis finds them in podman's BoltDB alone; with podman 5 there is no way to export for it");
    archive.add(kPodmanConfig, *config);
    archive.add(kPodmanSpec, sys::read_file(runtime_files / "config.json"));
    if (const auto network = sys::read_file_if_exists(runtime_files / kPodmanNetwork))
        archive.add(kPodmanNetwork, *network);
    return Json::parse(*config);
}

void write_podman_archive(const ArchiveParts& parts, sys::Archive& archive, sys::Interrupts& interrupts) {
    const Json config = add_podman_settings(parts.runtime_files, archive);
    if (parts.rootfs) {
        const Layer layer = look_at_layer(*parts.rootfs);
        pack(*parts.rootfs, parts.room / kPodmanAdded, layer.kept, interrupts);
        archive.add(kPodmanRemoved, layer.deleted.dump());
    }
    for (const ArchiveParts::Volume& volume : parts.volumes) {
        const std::optional<Path> place = place_of(volume, config);
        if (!place)
            throw Error(Kind::failed,
                        "the volume '" + volume.source + "' has no name, by which podman's archives know them")
                .hint("export it without --podman, for `stasis import`");
        std::filesystem::create_directories((parts.room / *place).parent_path());
        pack(volume.kept, parts.room / *place, std::nullopt, interrupts);
    }
    archive.add_tree(parts.room, ".", interrupts);
    archive.add_tree(parts.images, kPodmanImages, interrupts);
}

}  // namespace stasis::runtime
