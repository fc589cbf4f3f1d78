#pragma once

#include <string>
#include <vector>

#include "lib/inspect/scene.h"

namespace stasis::inspect {

/// Something that will work and may surprise.
struct Warning {
    std::string id;  ///< a stable word for scripts; the manual lists them
    std::string text;
};

std::vector<Warning> find_warnings(const Scene& scene);

}  // namespace stasis::inspect
