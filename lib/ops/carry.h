#pragma once

#include "lib/ops/context.h"
#include "lib/ops/find.h"
#include "lib/sys/archive.h"
#include "lib/sys/unpacker.h"

namespace stasis::ops {

/// The first file of an archive.
constexpr const char* kArchiveManifest = "manifest.json";

/// Writes a checkpoint into an archive: first its manifest, then all that it holds but for the logs. It is verified
/// first, with the container locked. `plain` unpacks compressed images, so that CRIU can read what is in the archive.
/// The archive is not finished yet when this returns.
/// Throws Kind::damaged, Kind::busy, Kind::interrupted, or Kind::failed where it can't be written.
void export_checkpoint(Context& context, const Choice& choice, bool plain, sys::Archive& archive);

/// Writes a checkpoint as the container's own engine does, which can restore it without stasis. It is verified first,
/// with the container locked. The archive is not finished yet when this returns. Throws what export_checkpoint() and
/// Adapter::write_archive() throw.
void export_for_engine(Context& context, const Choice& choice, sys::Archive& archive);

/// Puts the checkpoint of an archive into the store, sealed once every file is what its manifest says, under its own
/// name or as `name`. Throws Kind::damaged, Kind::busy where there is one of that name, Kind::interrupted, or
/// Kind::failed; nothing of it is left then.
Choice import_checkpoint(Context& context, sys::Unpacker& archive, const std::optional<std::string>& name);

}  // namespace stasis::ops
