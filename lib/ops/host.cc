#include "lib/ops/host.h"

#include <sys/utsname.h>

#include "lib/proc/cpu.h"
#include "lib/sys/file.h"

namespace stasis::ops {

Host this_host() {
    utsname names{};
    (void)::uname(&names);
    std::string boot = sys::read_file("/proc/sys/kernel/random/boot_id");
    while (!boot.empty() && boot.back() == '\n') boot.pop_back();
    return {names.nodename, names.release, names.machine, boot, proc::cpu_features()};
}

}  // namespace stasis::ops
