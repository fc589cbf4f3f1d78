#include "cmd/command.h"
#include "cmd/output.h"

namespace stasis {
namespace {

Deadline deadline_of(const Globals& globals) {
    if (!globals.timeout_seconds) return std::nullopt;
    return Clock::now() +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*globals.timeout_seconds));
}

runtime::Settings settings_of(const Globals& globals) {
    runtime::Settings settings{
        std::filesystem::absolute(globals.runc_root), {}, std::filesystem::absolute(globals.crun_root)};
    if (globals.lxc_path) settings.lxc_path = std::filesystem::absolute(*globals.lxc_path);
    return settings;
}

}  // namespace

Session::Session(const Globals& globals)
    : interrupts_(deadline_of(globals)),
      progress_(make_progress(globals)),
      context_{store::Store(std::filesystem::absolute(globals.store)), runtime::make_adapters(settings_of(globals)),
               interrupts_, *progress_} {}

}  // namespace stasis
