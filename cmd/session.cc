#include "cmd/command.h"
#include "cmd/output.h"

namespace stasis {
namespace {

Deadline deadline_of(const Globals& globals) {
    if (!globals.timeout_seconds) return std::nullopt;
    return Clock::now() +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*globals.timeout_seconds));
}

}  // namespace

Session::Session(const Globals& globals)
    : interrupts_(deadline_of(globals)),
      progress_(make_progress(globals)),
      context_{store::Store(std::filesystem::absolute(globals.store)),
               runtime::make_adapters({std::filesystem::absolute(globals.runc_root)}), interrupts_, *progress_} {}

}  // namespace stasis
