#pragma once

#include <string>

#include "lib/base/json.h"
#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// In a checkpoint's runtime/ folder, and in podman's archives: its own configuration of the container.
constexpr const char* kPodmanConfig = "config.dump";

/// That, of the container that `podman inspect` shows as `known`; "" where podman does not keep it in BoltDB (as from
/// version 5 on) or it can't be read. It is what `podman container checkpoint --export` writes (podman 4.3.1).
std::string podman_configuration(const Json& known);

/// What is in the way of having podman make a container from the files of its dump.
std::vector<std::string> obstacles_to_making(const RestorePlan& plan);

/// Has podman make the container, which it does not know, with all but its processes and its files. Throws
/// Kind::failed; nothing of it is left then.
void make_podman_container(const RestorePlan& plan);

}  // namespace stasis::runtime
