#pragma once

#include "lib/ops/context.h"
#include "lib/ops/find.h"

namespace stasis::ops {

/// podman's configuration of the container, where `archive` is a file that `podman container checkpoint --export`
/// wrote; nothing where it is another one, or no file but a pipe. Throws Kind::damaged for what is no archive,
/// Kind::interrupted.
std::optional<std::string> podman_config_in(const Path& archive, sys::Interrupts& interrupts);

/// Puts podman's own checkpoint of a container into the store, sealed, as `name` or, as snapshots are, by the time;
/// `config` as above. Nothing tells whether it is as podman wrote it: its archives have no checksums. Throws
/// Kind::damaged for one that is not whole, Kind::busy where there is one of that name, Kind::interrupted, or
/// Kind::failed; nothing of it is left then.
Choice import_podman_checkpoint(Context& context, const Path& archive, const std::string& config,
                                const std::optional<std::string>& name);

}  // namespace stasis::ops
