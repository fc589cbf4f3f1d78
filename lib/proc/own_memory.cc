#include "lib/proc/own_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/sys/file.h"

namespace stasis::proc {
namespace {

constexpr std::uint64_t kPageSize = 4096;
constexpr std::uint64_t kPresent = 1ULL << 63;
constexpr std::uint64_t kSwapped = 1ULL << 62;
constexpr std::uint64_t kOfFile = 1ULL << 61;

sys::Path file_of(pid_t pid, const char* name) { return sys::Path("/proc") / std::to_string(pid) / name; }

/// A mapping as a line of /proc/PID/maps describes it.
struct Mapping {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    bool is_private = false;
    bool is_anonymous = false;
};

std::optional<Mapping> parse_mapping(const std::string& line) {
    Mapping mapping;
    char modes[5] = "";
    unsigned long inode = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %lu", &mapping.start, &mapping.end, modes,
                    &inode) != 4)
        return std::nullopt;
    mapping.is_private = modes[3] == 'p';
    mapping.is_anonymous = mapping.is_private && inode == 0 && !line.ends_with("[vvar]") && !line.ends_with("[vdso]");
    return mapping;
}

bool locks_memory(pid_t pid) {
    const std::string status = sys::read_file_if_exists(file_of(pid, "status")).value_or("");
    constexpr std::string_view kLabel = "\nVmLck:";
    const std::size_t at = status.find(kLabel);
    return at == std::string::npos || std::strtoull(status.c_str() + at + kLabel.size(), nullptr, 10) != 0;
}

void add(std::vector<Stretch>& stretches, std::uint64_t address, bool can_be_lazy) {
    if (!stretches.empty() && stretches.back().address + stretches.back().bytes == address &&
        stretches.back().can_be_lazy == can_be_lazy)
        stretches.back().bytes += kPageSize;
    else
        stretches.push_back({address, kPageSize, can_be_lazy});
}

void add_mapping(std::vector<Stretch>& stretches, int pagemap, const Mapping& mapping, bool can_be_lazy) {
    std::vector<std::uint64_t> entries(4096);
    for (std::uint64_t address = mapping.start; address < mapping.end;) {
        const std::size_t wanted = std::min<std::uint64_t>(entries.size(), (mapping.end - address) / kPageSize);
        const ssize_t got = ::pread(pagemap, entries.data(), wanted * sizeof entries[0],
                                    static_cast<off_t>(address / kPageSize * sizeof entries[0]));
        if (got <= 0) return;  // it ended, or the mapping is the kernel's
        const std::size_t count = static_cast<std::size_t>(got) / sizeof entries[0];
        for (std::size_t i = 0; i < count; ++i)
            if ((entries[i] & (kPresent | kSwapped)) != 0 && (entries[i] & kOfFile) == 0)
                add(stretches, address + i * kPageSize, can_be_lazy);
        address += count * kPageSize;
    }
}

}  // namespace

std::vector<Stretch> own_memory(pid_t pid) {
    std::vector<Stretch> stretches;
    const sys::UniqueFd pagemap(::open(file_of(pid, "pagemap").c_str(), O_RDONLY | O_CLOEXEC));
    const std::optional<std::string> maps = sys::read_file_if_exists(file_of(pid, "maps"));
    if (!pagemap || !maps) return stretches;
    const bool can_be_lazy = !locks_memory(pid);
    std::istringstream lines(*maps);
    for (std::string line; std::getline(lines, line);) {
        const std::optional<Mapping> mapping = parse_mapping(line);
        if (!mapping) continue;
        if (line.ends_with("[vdso]"))
            stretches.push_back({mapping->start, mapping->end - mapping->start});
        else if (mapping->is_private)
            add_mapping(stretches, pagemap.get(), *mapping, can_be_lazy && mapping->is_anonymous);
    }
    return stretches;
}

bool track_writes(pid_t pid) {
    const sys::UniqueFd file(::open(file_of(pid, "clear_refs").c_str(), O_WRONLY | O_CLOEXEC));
    return file && ::write(file.get(), "4", 1) == 1;
}

std::vector<pid_t> pids_in_namespaces(pid_t pid) {
    std::vector<pid_t> pids;
    const std::optional<std::string> status = sys::read_file_if_exists(file_of(pid, "status"));
    if (!status) return pids;
    constexpr std::string_view kLabel = "\nNSpid:";
    const std::size_t at = status->find(kLabel);
    if (at == std::string::npos) return pids;
    std::istringstream numbers(status->substr(at + kLabel.size(), status->find('\n', at + 1) - at - kLabel.size()));
    for (pid_t number = 0; numbers >> number;) pids.push_back(number);
    return pids;
}

}  // namespace stasis::proc
