#include "lib/ops/carry_podman.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include "lib/base/error.h"
#include "lib/ops/plain_images.h"
#include "lib/runtime/podman_config.h"
#include "lib/sys/child.h"

namespace stasis::ops {
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
std::optional<Path> place_of(const store::Volume& volume, const Json& config) {
    if (volume.destination == "/dev/shm") return "devshm-checkpoint.tar";
    for (const Json& named : config.value("namedVolumes", Json::array()))
        if (named.at("dest") == volume.destination)
            return Path("volumes") / (named.at("volumeName").get<std::string>() + ".tar");
    return std::nullopt;
}

}  // namespace

void export_for_podman(Context& context, const Choice& choice, sys::Archive& archive) {
    const Target target = resolve(context, choice.manifest.target());
    if (target.runtime() != "podman")
        throw Error(Kind::usage, "'" + target.text() + "' is none of podman's containers")
            .hint("export it without --podman");
    const store::ContainerLock lock = context.store.lock(target.runtime(), target.container);
    context.progress.step("verifying " + choice.location.path().string());
    verify_or_throw(context, choice);
    const store::Folders folders{choice.location.path()};
    const Json config = runtime::add_podman_settings(folders.runtime(), archive);

    context.progress.step("packing its files");
    PlainImages images(target, choice.location, context.interrupts);
    const Path packed = images.room() / "podman";
    sys::make_directory(packed, 0700);
    if (choice.manifest.rootfs.backend != "none") {
        const Layer layer = look_at_layer(folders.rootfs());
        pack(folders.rootfs(), packed / "rootfs-diff.tar", layer.kept, context.interrupts);
        archive.add("deleted.files", layer.deleted.dump());
    }
    for (const store::Volume& volume : choice.manifest.volumes) {
        const std::optional<Path> place = place_of(volume, config);
        if (!place)
            throw Error(Kind::failed,
                        "the volume '" + volume.source + "' has no name, by which podman's archives know them")
                .hint("export it without --podman, for `stasis import`");
        std::filesystem::create_directories((packed / *place).parent_path());
        pack(folders.volumes() / volume.folder, packed / *place, std::nullopt, context.interrupts);
    }

    context.progress.step("writing the archive");
    archive.add_tree(packed, ".", context.interrupts);
    archive.add_tree(images.path(), runtime::kPodmanImages, context.interrupts);
}

}  // namespace stasis::ops
