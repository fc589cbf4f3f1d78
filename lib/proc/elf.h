#pragma once

#include <string>

namespace stasis::proc {

/// The GNU build-id of an ELF file (note NT_GNU_BUILD_ID) in hexadecimal digits; "" where it has
/// none, is no ELF file of this byte order, or is damaged. Reads only what the program headers name.
std::string build_id(int fd);

}  // namespace stasis::proc
