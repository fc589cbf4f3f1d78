#include "lib/proc/memory.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>

#include "lib/proc/process.h"

namespace stasis::proc {
namespace {

/// The number after a word in a text of words; nothing where it is not there, or no number ("max").
std::optional<std::uint64_t> number_after(const std::string& text, const std::string& key) {
    std::istringstream words(text);
    std::uint64_t number = 0;
    if (key.empty()) return words >> number ? std::optional(number) : std::nullopt;
    for (std::string word; words >> word;)
        if (word == key && words >> number) return number;
    return std::nullopt;
}

std::optional<std::uint64_t> number_in(const sys::Path& file, const std::string& key) {
    return number_after(sys::read_file_if_exists(file).value_or(""), key);
}

/// A group without files of this version has no limit.
std::uint64_t room_here(const sys::Path& group, const char* limit, const char* usage, const char* cache) {
    const std::optional<std::uint64_t> most = number_in(group / limit, "");
    if (!most) return UINT64_MAX;
    const std::uint64_t used = number_in(group / usage, "").value_or(0);
    const std::uint64_t freed = std::min(used, number_in(group / "memory.stat", cache).value_or(0));
    return *most - std::min(*most, used - freed);
}

std::uint64_t available_on_host() {
    constexpr std::uint64_t kKibibyte = 1024;
    return number_in("/proc/meminfo", "MemAvailable:").value_or(0) * kKibibyte;
}

bool counts_memory(const CgroupMembership& group) {
    return ("," + group.controllers + ",").find(",memory,") != std::string::npos;
}

}  // namespace

std::uint64_t room_in_group(const sys::Path& root, const sys::Path& group) {
    std::uint64_t room = UINT64_MAX;
    sys::Path at = root;
    for (const sys::Path& name : group.relative_path()) {
        at /= name;
        room = std::min({room, room_here(at, "memory.max", "memory.current", "file"),
                         room_here(at, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache")});
    }
    return room;
}

std::uint64_t available_memory() {
    std::uint64_t room = available_on_host();
    for (const CgroupMembership& group : cgroups(::getpid())) {
        if (counts_memory(group)) room = std::min(room, room_in_group("/sys/fs/cgroup/memory", group.path));
        if (group.controllers.empty()) room = std::min(room, room_in_group("/sys/fs/cgroup", group.path));
    }
    return room;
}

}  // namespace stasis::proc
