#include "lib/ops/import_podman.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/base/version.h"
#include "lib/fs/on_overlay.h"
#include "lib/fs/rootfs.h"
#include "lib/ops/carry.h"
#include "lib/ops/host.h"
#include "lib/runtime/podman_config.h"
#include "lib/runtime/podman_import.h"
#include "lib/sys/checksum.h"

namespace stasis::ops {
namespace {

constexpr mode_t kPrivate = 0700;

sys::Unpacker open_archive(const Path& path) { return {sys::open_path(path, O_RDONLY), path.string()}; }

void unpack_all(const Path& archive, const Path& folder, sys::Interrupts& interrupts) {
    open_archive(archive).unpack(folder, {}, interrupts);
}

/// A folder of the overlay at `root`. A name that an archive has may lead anywhere: no link is followed to it.
sys::UniqueFd open_below(const Path& root, const Path& path) {
    const sys::UniqueFd top = sys::open_path(root, O_PATH | O_DIRECTORY);
    return sys::open_beneath(top.get(), path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
}

/// Removes a file or folder of the image; returns what it was, or nothing where there is none.
std::optional<struct stat> remove_below(const Path& root, const Path& path) {
    if (!path.has_filename() || path.filename() == ".." || path.filename() == ".")
        throw Error(Kind::damaged, "podman's archive has a removed file called '" + path.string() + "'");
    const sys::UniqueFd folder = open_below(root, path.parent_path());
    struct stat was {};
    if (::fstatat(folder.get(), path.filename().c_str(), &was, AT_SYMLINK_NOFOLLOW) < 0) return std::nullopt;
    std::error_code failure;
    std::filesystem::remove_all(sys::path_of(folder.get()) / path.filename(), failure);
    if (failure) throw system_error(failure.value(), "remove '" + path.string() + "', as the container did");
    return was;
}

/// podman lists a folder that was removed and made again as removed, and packs what is in it, but not the folder: as
/// far as anything tells, it is as it was.
void give_back(const Path& root, const Path& path, const struct stat& was) {
    struct stat now {};
    if (!S_ISDIR(was.st_mode) || ::lstat((root / path).c_str(), &now) < 0 || !S_ISDIR(now.st_mode)) return;
    const sys::UniqueFd folder = open_below(root, path);
    if (::fchown(folder.get(), was.st_uid, was.st_gid) < 0 || ::fchmod(folder.get(), was.st_mode) < 0)
        throw system_error(errno, "give '" + path.string() + "' its owner and mode");
}

/// What the container changed of its image, as overlayfs itself has it: podman's archive does not say to whom the
/// folders belong in which something was changed, and the image does.
void build_layer(const runtime::PodmanCheckpoint::Layer& layer, const Path& upper, const Path& room,
                 sys::Interrupts& interrupts) {
    const fs::OverlayFolders folders{layer.below, upper, room / "work", room / "merged"};
    for (const Path& folder : {folders.upper, folders.work, folders.mount_point}) sys::make_directory(folder, kPrivate);
    struct stat root {};
    if (::stat(layer.below.front().c_str(), &root) < 0 ||
        ::chown(folders.upper.c_str(), root.st_uid, root.st_gid) < 0 ||
        ::chmod(folders.upper.c_str(), root.st_mode) < 0)
        throw system_error(errno, "give '" + folders.upper.string() + "' the owner and mode that the image has");
    fs::on_overlay(folders, [&] {
        std::map<Path, struct stat> removed;
        for (const std::string& name : layer.removed)
            if (const auto was = remove_below(folders.mount_point, name)) removed[name] = *was;
        if (layer.added) unpack_all(*layer.added, folders.mount_point, interrupts);
        for (const auto& [path, was] : removed) give_back(folders.mount_point, path, was);
    });
}

/// When CRIU wrote the images: the archive has their times.
std::string time_of(const Path& images) {
    struct stat info {};
    if (::stat((images / "inventory.img").c_str(), &info) < 0) return utc_now();
    return utc_text(std::chrono::seconds(info.st_mtim.tv_sec));
}

/// Puts everything of an unpacked archive in its place; returns what the checkpoint says of itself.
store::Manifest put_in_place(const runtime::PodmanCheckpoint& found, const store::Folders& folders, const Path& room,
                             sys::Interrupts& interrupts) {
    store::Manifest manifest;
    manifest.created = time_of(found.images);
    std::filesystem::rename(found.images, folders.images());
    std::filesystem::permissions(folders.images(), std::filesystem::perms(0755));
    for (const runtime::ExtraFile& file : found.runtime_files)
        sys::write_new_file(folders.runtime() / file.name, file.text, 0600);
    if (found.layer) {
        build_layer(*found.layer, folders.rootfs(), room, interrupts);
        manifest.rootfs.backend = to_string(fs::Backend::upper);
        manifest.rootfs.path = found.layer->path;
        manifest.rootfs.source = found.layer->folder;
        for (const auto& [path, record] : sys::record_tree(folders.rootfs(), interrupts))
            manifest.files["rootfs/" + path] = record;
    }
    if (!found.volumes.empty()) sys::make_directory(folders.volumes(), kPrivate);
    for (const runtime::ArchiveParts::Volume& volume : found.volumes) {
        const std::string folder = std::to_string(manifest.volumes.size());
        sys::make_directory(folders.volumes() / folder, kPrivate);
        unpack_all(volume.kept, folders.volumes() / folder, interrupts);
        manifest.volumes.push_back({volume.source, volume.destination, folder});
        for (const auto& [path, record] : sys::record_tree(folders.volumes() / folder, interrupts))
            manifest.files["volumes/" + folder + "/" + path] = record;
    }
    return manifest;
}

}  // namespace

std::optional<std::string> podman_config_in(const Path& archive, sys::Interrupts& interrupts) {
    if (!std::filesystem::is_regular_file(archive)) return std::nullopt;
    return open_archive(archive).find_file(runtime::kPodmanConfig, kArchiveManifest, interrupts);
}

Choice import_podman_checkpoint(Context& context, const Path& archive, const std::string& config,
                                const std::optional<std::string>& name) {
    require_root();
    const std::string container = runtime::name_in_podman_config(config);
    const Target target = resolve(context, "podman:" + container);
    if (target.container != container)  // podman takes the beginning of an id for a name
        throw Error(Kind::failed, "'" + container + "' is what the id of podman's container '" + target.container +
                                      "' begins with here")
            .hint("import it where that one is not");
    const store::Location location =
        context.store.location(target.runtime(), target.container, name.value_or(utc_stamp()));
    const store::ContainerLock lock = context.store.lock(target.runtime(), target.container);
    store::Partial partial = store::Partial::begin(location);
    try {
        const Path room = partial.folders().root / "unpacked";
        sys::make_directory(room, kPrivate);
        context.progress.step("unpacking the archive");
        open_archive(archive).unpack(room, runtime::podman_archive_names(), context.interrupts);
        const runtime::PodmanCheckpoint found = runtime::read_podman_archive(room);
        if (found.name != container) throw Error(Kind::damaged, "podman's archive has two names for the container");
        store::Manifest manifest = put_in_place(found, partial.folders(), room, context.interrupts);
        sys::remove_tree(room);
        manifest.stasis_version = kVersion;
        manifest.runtime = target.runtime();
        manifest.container = target.container;
        manifest.checkpoint = location.name;
        manifest.kind = "snapshot";
        manifest.architecture = this_host().architecture;  // that of the image that podman has here
        manifest.criu_options = found.options;
        manifest.runtime_details = found.details;
        manifest.lasting_network = found.lasting_network;
        manifest.order = found.order;
        context.progress.step("sealing");
        partial.seal(manifest, {}, context.interrupts);
        return {location, manifest};
    } catch (...) {
        partial.discard();
        throw;
    }
}

}  // namespace stasis::ops
