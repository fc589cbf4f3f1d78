#include "lib/proc/freezer.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace stasis::proc {
namespace {

/// The file of a version, and what it says or is told.
struct Switch {
    const char* file;
    std::string_view frozen;
    std::string_view thawed;
};

constexpr std::array<Switch, 2> kSwitches{{{"freezer.state", "FROZEN", "THAWED"}, {"cgroup.freeze", "1", "0"}}};

}  // namespace

bool is_frozen(const sys::Path& freezer) {
    for (const Switch& version : kSwitches)
        if (sys::read_file_if_exists(freezer / version.file).value_or("") == std::string(version.frozen) + "\n")
            return true;
    return false;
}

void set_frozen(const sys::Path& freezer, bool frozen) {
    for (const Switch& version : kSwitches) {
        const sys::UniqueFd fd(::open((freezer / version.file).c_str(), O_WRONLY | O_CLOEXEC));
        const std::string_view value = frozen ? version.frozen : version.thawed;
        if (fd) (void)!::write(fd.get(), value.data(), value.size());
    }
}

}  // namespace stasis::proc
