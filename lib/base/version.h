#pragma once

namespace stasis {

/// The version of this stasis, from CMakeLists.txt.
inline constexpr const char* kVersion = STASIS_VERSION;

}  // namespace stasis
