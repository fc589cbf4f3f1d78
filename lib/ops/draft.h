#pragma once

#include <vector>

#include "lib/ops/examine.h"
#include "lib/store/manifest.h"

namespace stasis::ops {

/// The manifest of a dump as far as it is known before the freeze: without name, kind, files, times and expectations.
store::Manifest draft_manifest(const Target& target, const Examination& found, const std::string& runtime_version);

/// What a manifest says of tasks.
std::vector<store::Task> tasks_of(const std::vector<proc::Stat>& tasks);

}  // namespace stasis::ops
