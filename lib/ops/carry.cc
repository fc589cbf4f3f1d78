#include "lib/ops/carry.h"

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/ops/plain_images.h"
#include "lib/sys/checksum.h"

namespace stasis::ops {
namespace {

constexpr const char* kImages = "images";

const std::vector<std::string>& folders() {
    static const std::vector<std::string> names{kImages, "runtime", "rootfs", "volumes"};
    return names;
}

/// Of the files that a seal records by itself there are none left.
FileRecords without_sealed(const FileRecords& files) {
    FileRecords rest;
    for (const auto& [path, record] : files)
        if (path.starts_with("rootfs/") || path.starts_with("volumes/")) rest[path] = record;
    return rest;
}

/// What the manifest says when its images are these.
store::Manifest with_images(store::Manifest manifest, const Path& images, sys::Interrupts& interrupts) {
    std::erase_if(manifest.files, [](const auto& file) { return file.first.starts_with(std::string(kImages) + "/"); });
    manifest.image_bytes = 0;
    for (const auto& [path, record] : sys::record_tree(images, interrupts)) {
        manifest.files[std::string(kImages) + "/" + path] = record;
        manifest.image_bytes += record.size;
    }
    return manifest;
}

void require_room(const Path& folder, const store::Manifest& manifest) {
    constexpr std::uint64_t kSpare = 16 << 20;
    const std::uint64_t there = sys::free_bytes(folder);
    if (there < manifest.bytes() + kSpare)
        throw Error(Kind::failed,
                    fmt::format("there is no room for the checkpoint: it takes {} MiB, and '{}' has {} left",
                                (manifest.bytes() + kSpare) >> 20, folder.string(), there >> 20))
            .hint("free some space there, or import it into another --store");
}

void require_whole(const store::Location& location, const store::Manifest& manifest, sys::Interrupts& interrupts) {
    const std::vector<std::string> problems = store::verify(location, manifest, interrupts);
    if (!problems.empty())
        throw Error(Kind::damaged, "the archive is not as it was exported").details(problems).hint("export it again");
}

}  // namespace

void export_checkpoint(Context& context, const Choice& choice, bool plain, sys::Archive& archive) {
    const Target target = resolve(context, choice.manifest.target());
    const store::ContainerLock lock = context.store.lock(target.runtime(), target.container);
    context.progress.step("verifying " + choice.location.path().string());
    verify_or_throw(context, choice);
    store::Manifest manifest = choice.manifest;
    Path images = store::Folders{choice.location.path()}.images();
    std::optional<PlainImages> unpacked;
    if (plain) {
        images = unpacked.emplace(target, choice.location, context.interrupts).path();
        manifest = with_images(manifest, images, context.interrupts);
    }
    context.progress.step("writing the archive");
    archive.add(kArchiveManifest, store::to_text(manifest));
    for (const std::string& folder : folders()) {
        const Path path = folder == kImages ? images : choice.location.path() / folder;
        if (std::filesystem::exists(path)) archive.add_tree(path, folder, context.interrupts);
    }
}

void export_for_engine(Context& context, const Choice& choice, sys::Archive& archive) {
    const Target target = resolve(context, choice.manifest.target());
    const store::ContainerLock lock = context.store.lock(target.runtime(), target.container);
    context.progress.step("verifying " + choice.location.path().string());
    verify_or_throw(context, choice);
    PlainImages images(target, choice.location, context.interrupts);
    const store::Folders folders{choice.location.path()};
    runtime::ArchiveParts parts{folders.runtime(), images.path(), std::nullopt, {}, images.room() / "packed"};
    if (choice.manifest.rootfs.backend != "none") parts.rootfs = folders.rootfs();
    for (const store::Volume& volume : choice.manifest.volumes)
        parts.volumes.push_back({volume.source, volume.destination, folders.volumes() / volume.folder});
    constexpr mode_t kPrivate = 0700;
    sys::make_directory(parts.room, kPrivate);
    context.progress.step("writing the archive");
    target.adapter->write_archive(parts, archive, context.interrupts);
}

Choice import_checkpoint(Context& context, sys::Unpacker& archive, const std::optional<std::string>& name) {
    require_root();
    store::Manifest manifest = store::parse_manifest(archive.read_file(kArchiveManifest), "the archive");
    if (name) manifest.checkpoint = *name;
    const Target target = resolve(context, manifest.target());
    const store::Location location = context.store.location(target.runtime(), target.container, manifest.checkpoint);
    const store::ContainerLock lock = context.store.lock(target.runtime(), target.container);
    require_room(location.folder, manifest);
    store::Partial partial = store::Partial::begin(location);
    try {
        context.progress.step("unpacking the archive");
        archive.unpack(partial.folders().root, folders(), context.interrupts);
        context.progress.step("verifying what was unpacked");
        require_whole({location.folder, partial.folders().root.filename()}, manifest, context.interrupts);
        const FileRecords images = records_below(manifest.files, std::string(kImages) + "/");
        manifest.files = without_sealed(manifest.files);
        partial.seal(manifest, images, context.interrupts);
    } catch (...) {
        partial.discard();
        throw;
    }
    return {location, manifest};
}

}  // namespace stasis::ops
