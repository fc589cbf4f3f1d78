#include "lib/runtime/pid.h"
#include "lib/runtime/runc.h"

namespace stasis::runtime {

std::vector<std::unique_ptr<Adapter>> make_adapters(const Settings& settings) {
    std::vector<std::unique_ptr<Adapter>> adapters;
    adapters.push_back(std::make_unique<RuncAdapter>(settings.runc_root));
    adapters.push_back(std::make_unique<PidAdapter>());
    return adapters;
}

}  // namespace stasis::runtime
