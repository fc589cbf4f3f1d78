#include "lib/ops/earlier.h"

#include <algorithm>

#include "lib/pages/names.h"

namespace stasis::ops {
Earlier::Earlier(const Context& context, const Target& target)
    : store_(context.store), entries_(context.store.list(target.runtime(), target.container)) {
    std::erase_if(entries_, [](const store::Entry& entry) { return !entry.found.manifest; });
    std::reverse(entries_.begin(), entries_.end());
}

std::optional<Earlier::Lent<fs::Parent>> Earlier::rootfs(const fs::RootfsPlan& plan) const {
    for (const store::Entry& entry : entries_) {
        const store::Manifest& manifest = *entry.found.manifest;
        if (manifest.rootfs.source != plan.source || manifest.rootfs.backend != to_string(plan.backend)) continue;
        return Lent<fs::Parent>{
            entry.checkpoint,
            {folders(entry).rootfs(), records_below(manifest.files, "rootfs/"), manifest.rootfs.written}};
    }
    return std::nullopt;
}

std::optional<Earlier::Lent<pages::Parent>> Earlier::memory() const {
    for (const store::Entry& entry : entries_) {
        const FileRecords images = records_below(entry.found.manifest->files, "images/");
        if (std::none_of(images.begin(), images.end(),
                         [](const auto& file) { return pages::is_hashes_image(file.first); }))
            continue;
        auto parent = pages::Parent::load(folders(entry).images(), images);
        if (!parent || !parent->is_worth_it()) return std::nullopt;
        return Lent<pages::Parent>{entry.checkpoint, std::move(*parent)};
    }
    return std::nullopt;
}

const store::Entry* Earlier::stop() const {
    for (const store::Entry& entry : entries_)
        if (entry.found.manifest->kind == "stop") return &entry;
    return nullptr;
}

store::Folders Earlier::folders(const store::Entry& entry) const {
    return {store_.location(entry.runtime, entry.container, entry.checkpoint).path()};
}

}  // namespace stasis::ops
