#pragma once

#include <cstdint>

namespace stasis::proc {

/// Bytes that programs can have without anything being swapped out (MemAvailable, proc_meminfo(5)); 0 where the
/// kernel does not say.
std::uint64_t available_memory();

}  // namespace stasis::proc
