#include "lib/pages/chain.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/pages/pagemap.h"

namespace stasis::pages {
namespace {

std::optional<Chain::Run> find_in(const Chain::Runs& runs, const ImageId& id, std::uint64_t address) {
    const auto image = runs.find(id);
    if (image == runs.end()) return std::nullopt;
    const auto after = std::upper_bound(image->second.begin(), image->second.end(), address,
                                        [](std::uint64_t at, const Chain::Run& run) { return at < run.address; });
    if (after == image->second.begin() || address >= std::prev(after)->end()) return std::nullopt;
    Chain::Run found = *std::prev(after);
    const std::uint64_t skipped = (address - found.address) / kPageSize;
    found.address += skipped * kPageSize;
    found.first += skipped;
    found.pages -= skipped;
    return found;
}

}  // namespace

std::uint64_t Chain::Run::end() const { return address + pages * kPageSize; }

Chain::Chain(const sys::Path& images) : runs_(load(images)) {}

Chain::Runs Chain::load(const sys::Path& images) {
    const Runs inherited = std::filesystem::exists(images / kFolder) ? load(images / kFolder) : Runs();
    Runs runs;
    for (const std::string& name : sys::list_directory(images)) {
        const std::optional<ImageId> id = parse_pagemap_name(name);
        if (!id) continue;
        const Pagemap pagemap = read_pagemap(images / name);
        const std::size_t file = files_.size();
        files_.push_back({images, pagemap.pages_id});
        std::vector<Run>& known = runs[*id];
        std::uint64_t first = 0;
        for (const Entry& entry : pagemap.entries) {
            if ((entry.flags & kPresent) != 0) {
                known.push_back({entry.address, entry.pages, file, first});
                first += entry.pages;
                continue;
            }
            for (std::uint64_t address = entry.address; address < entry.end();) {
                std::optional<Run> older = find_in(inherited, *id, address);
                if (!older) throw Error(Kind::damaged, "there are pages that no image has");
                older->pages = std::min(older->pages, (entry.end() - address) / kPageSize);
                known.push_back(*older);
                address = older->end();
            }
        }
    }
    return runs;
}

std::optional<Chain::Run> Chain::find(const ImageId& id, std::uint64_t address) const {
    return find_in(runs_, id, address);
}

}  // namespace stasis::pages
