#include "lib/base/error.h"
#include "lib/runtime/crun.h"
#include "lib/runtime/lxc.h"
#include "lib/runtime/pid.h"
#include "lib/runtime/podman.h"
#include "lib/runtime/refused.h"
#include "lib/runtime/runc.h"
#include "lib/runtime/shim.h"

namespace stasis::runtime {

void Adapter::require_known(const std::string& container) const {
    if (!knows(container))
        throw Error(Kind::not_found, name() + " knows no '" + container + "'")
            .hint(
                "`stasis list` shows what is stored; a runtime's folder elsewhere is named with --runc-root, "
                "--crun-root or --lxc-path");
}

std::vector<std::unique_ptr<Adapter>> make_adapters(const Settings& settings) {
    std::vector<std::unique_ptr<Adapter>> adapters;
    adapters.push_back(std::make_unique<RuncAdapter>(settings.runc_root));
    adapters.push_back(std::make_unique<CrunAdapter>(settings.crun_root));
    adapters.push_back(std::make_unique<PodmanAdapter>());
    adapters.push_back(std::make_unique<LxcAdapter>(settings.lxc_path));
    adapters.push_back(std::make_unique<PidAdapter>());
    adapters.push_back(std::make_unique<DockerAdapter>());
    adapters.push_back(std::make_unique<ContainerdAdapter>());
    for (auto& adapter : make_refused_adapters()) adapters.push_back(std::move(adapter));
    return adapters;
}

}  // namespace stasis::runtime
