#include "lib/proc/memory.h"

#include <sstream>
#include <string>

#include "lib/sys/file.h"

namespace stasis::proc {

std::uint64_t available_memory() {
    constexpr std::uint64_t kKibibyte = 1024;
    std::istringstream words(sys::read_file("/proc/meminfo"));
    for (std::string word; words >> word;)
        if (std::uint64_t kibibytes = 0; word == "MemAvailable:" && words >> kibibytes) return kibibytes * kKibibyte;
    return 0;
}

}  // namespace stasis::proc
