#include "lib/ops/lost_mounts.h"

#include <unistd.h>

#include <fmt/format.h>

#include "lib/proc/mount.h"

namespace stasis::ops {

void warn_of_lost_mounts(const runtime::Description& described, bool keep_volumes,
                         std::vector<inspect::Warning>& warnings) {
    const std::vector<proc::Mount> mounts = proc::mounts(::getpid());
    for (const runtime::BindMount& mount : described.volumes) {
        const bool folder = std::filesystem::is_directory(mount.source);
        if ((folder && keep_volumes) || (!folder && !std::filesystem::is_regular_file(mount.source))) continue;
        const proc::Mount& below = proc::mount_of(mount.source, mounts);
        if (below.type != "tmpfs" && below.type != "ramfs") continue;
        warnings.push_back(
            {"in-memory",
             fmt::format("'{}', mounted at '{}', lies in the host's memory (the {} at '{}'): a reboot takes "
                         "it away, and the restore needs it; {}",
                         mount.source.string(), mount.destination, below.type, below.mount_point,
                         folder ? "have the host make it again before that, or keep it by --with-volumes"
                                : "have the host make it again before that")});
    }
}

}  // namespace stasis::ops
