#include "lib/ops/file_capture.h"

namespace stasis::ops {

fs::RootfsPlan plan_files(const runtime::Description& described, const sys::Path& store) {
    fs::RootfsPlan plan = fs::plan_rootfs(described.rootfs, store);
    if (described.rootfs_by_runtime && plan.backend == fs::Backend::overlay) plan.backend = fs::Backend::upper;
    return plan;
}

sys::Path own_files(const runtime::Description& described) {
    return described.rootfs_by_runtime ? fs::plan_rootfs(described.rootfs, described.rootfs).source : described.rootfs;
}

std::vector<runtime::BindMount> kept_folders(const runtime::Description& described, bool with_volumes) {
    std::vector<runtime::BindMount> folders = described.own_folders;
    if (with_volumes) folders.insert(folders.end(), described.volumes.begin(), described.volumes.end());
    std::erase_if(folders, [](const auto& mount) { return !std::filesystem::is_directory(mount.source); });
    return folders;
}

namespace {

/// The written files that lie in a volume, as paths from its top.
std::set<std::string> written_in(const store::Volume& volume, const std::set<std::string>& written) {
    const std::string top = volume.destination.substr(1) + "/";
    std::set<std::string> result;
    for (const std::string& path : written)
        if (path.starts_with(top)) result.insert(path.substr(top.size()));
    return result;
}

}  // namespace

void FileCapture::add_rootfs(fs::RootfsPlan plan, const sys::Path& to, std::optional<fs::Parent> parent, int lock_fd) {
    rootfs_.emplace(std::move(plan), to, std::move(parent), lock_fd);
}

void FileCapture::add_volume(const store::Volume& volume, const sys::Path& folder, int lock_fd) {
    volumes_.emplace_back(volume, fs::TreeCopy(volume.source, folder / volume.folder, std::nullopt, lock_fd));
}

void FileCapture::stop() {
    rootfs_.reset();
    volumes_.clear();
}

void FileCapture::start_first_pass(const std::set<std::string>& written) {
    if (rootfs_) rootfs_->start_first_pass(written);
    for (auto& [volume, copy] : volumes_) copy.start_first_pass(written_in(volume, written));
}

void FileCapture::finish_first_pass(sys::Interrupts& interrupts) {
    if (rootfs_) rootfs_->finish_first_pass(interrupts);
    for (auto& [volume, copy] : volumes_) copy.finish_first_pass(interrupts);
}

void FileCapture::second_pass(const std::set<std::string>& written, sys::Interrupts& interrupts) {
    if (rootfs_) rootfs_->second_pass(written, interrupts);
    for (auto& [volume, copy] : volumes_) copy.second_pass(written_in(volume, written), interrupts);
}

void FileCapture::describe(store::Manifest& manifest, sys::Interrupts& interrupts) const {
    if (rootfs_) {
        const fs::RootfsPlan& plan = rootfs_->plan();
        manifest.rootfs.backend = to_string(plan.backend);
        manifest.rootfs.path = plan.path;
        manifest.rootfs.source = plan.source;
        manifest.rootfs.mount_options = plan.mount_options;
        manifest.rootfs.written = rootfs_->written();
        for (const auto& [path, record] : rootfs_->records(interrupts)) manifest.files["rootfs/" + path] = record;
    }
    for (const auto& [volume, copy] : volumes_) {
        manifest.volumes.push_back(volume);
        for (const auto& [path, record] : copy.records())
            manifest.files["volumes/" + volume.folder + "/" + path] = record;
    }
}

}  // namespace stasis::ops
