#include "lib/criu/pigz.h"

#include <filesystem>
#include <optional>

#include "lib/sys/child.h"
#include "lib/sys/file.h"

namespace stasis::criu {
namespace {

const sys::Path kFolder = "/run/stasis-pigz";

}  // namespace

bool has_pigz() { return sys::find_program("pigz").has_value(); }

void use_pigz(Equipment& equipment, bool smaller) {
    constexpr mode_t kForAll = 0755;
    const std::optional<sys::Path> pigz = sys::find_program("pigz");
    if (!pigz) return;
    const sys::Path link = kFolder / "gzip";
    sys::make_directory(kFolder, kForAll);
    if (sys::read_link(link) != pigz->native()) {
        std::error_code other_run;  // makes the same one
        std::filesystem::remove(link, other_run);
        std::filesystem::create_symlink(*pigz, link, other_run);
    }
    equipment.folders.push_back(kFolder);
    equipment.environment.emplace_back(smaller ? "PIGZ=-1" : "PIGZ=-0");
}

}  // namespace stasis::criu
