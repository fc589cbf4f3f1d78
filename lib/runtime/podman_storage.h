#pragma once

#include <string>

namespace stasis::runtime {

/// False where podman surely keeps no container of this name or id: its storage lists all of them in files named
/// *containers.json, below the folders that storage.conf names (containers-storage.conf(5); podman 4.3.1). True where
/// they can't be found or read. podman itself takes a tenth of a second to answer, this a thousandth of that.
bool podman_may_know(const std::string& container);

}  // namespace stasis::runtime
