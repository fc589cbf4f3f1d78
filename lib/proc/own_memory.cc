#include "lib/proc/own_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <sstream>
#include <string>

#include "lib/base/error.h"
#include "lib/sys/file.h"

namespace stasis::proc {
namespace {

constexpr std::uint64_t kPageSize = 4096;
constexpr std::uint64_t kPresent = 1ULL << 63;
constexpr std::uint64_t kSwapped = 1ULL << 62;
constexpr std::uint64_t kOfFile = 1ULL << 61;

sys::Path file_of(pid_t pid, const char* name) { return sys::Path("/proc") / std::to_string(pid) / name; }

void add(std::vector<Stretch>& stretches, std::uint64_t address) {
    if (!stretches.empty() && stretches.back().address + stretches.back().bytes == address)
        stretches.back().bytes += kPageSize;
    else
        stretches.push_back({address, kPageSize});
}

void add_mapping(std::vector<Stretch>& stretches, int pagemap, std::uint64_t start, std::uint64_t end) {
    std::vector<std::uint64_t> entries(4096);
    for (std::uint64_t address = start; address < end;) {
        const std::size_t wanted = std::min<std::uint64_t>(entries.size(), (end - address) / kPageSize);
        const ssize_t got = ::pread(pagemap, entries.data(), wanted * sizeof entries[0],
                                    static_cast<off_t>(address / kPageSize * sizeof entries[0]));
        if (got <= 0) return;  // it ended, or the mapping is the kernel's
        const std::size_t count = static_cast<std::size_t>(got) / sizeof entries[0];
        for (std::size_t i = 0; i < count; ++i)
            if ((entries[i] & (kPresent | kSwapped)) != 0 && (entries[i] & kOfFile) == 0)
                add(stretches, address + i * kPageSize);
        address += count * kPageSize;
    }
}

}  // namespace

std::vector<Stretch> own_memory(pid_t pid) {
    std::vector<Stretch> stretches;
    const sys::UniqueFd pagemap(::open(file_of(pid, "pagemap").c_str(), O_RDONLY | O_CLOEXEC));
    const std::optional<std::string> maps = sys::read_file_if_exists(file_of(pid, "maps"));
    if (!pagemap || !maps) return stretches;
    std::istringstream lines(*maps);
    for (std::string line; std::getline(lines, line);) {
        std::uint64_t start = 0;
        std::uint64_t end = 0;
        char modes[5] = "";
        if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, modes) != 3) continue;
        if (line.ends_with("[vdso]"))
            stretches.push_back({start, end - start});
        else if (modes[3] == 'p')
            add_mapping(stretches, pagemap.get(), start, end);
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
