#pragma once

#include <string>

#include "lib/base/json.h"
#include "lib/runtime/runtime.h"

namespace stasis::runtime {

// `runc restore` always tells CRIU that a network namespace which runc makes is empty, so CRIU
// restores no links in it (seen with runc 1.1.5; criu#590): the loopback interface stays down,
// a connection over it can't be restored, and the rules of a firewall are gone. runc runs the configuration's
// createRuntime hooks when the namespace exists and before sockets are restored, so stasis restores with a
// configuration that has one hook more. The bundle keeps its own: ours is mounted over it in a mount namespace that
// only this runc sees.

/// The configuration with our hook, which is this restore's alone.
Json with_network_hook(Json config, const RestorePlan& plan);

/// The configuration as it is without our hook, also one of an earlier restore.
Json without_network_hook(Json config);

/// The hook, `stasis prepare-network`: reads the container's state from standard input, brings the
/// loopback interface of its network namespace up, and sets the namespace's sysctls and, from `images`, the rules of
/// its firewall again. Throws system_error, Kind::failed.
void prepare_network(const Path& images);

}  // namespace stasis::runtime
