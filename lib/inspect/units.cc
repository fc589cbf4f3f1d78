#include "lib/inspect/units.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "lib/proc/cgroups.h"
#include "lib/proc/process.h"
#include "lib/sys/fd.h"
#include "lib/sys/file.h"

namespace stasis::inspect {
namespace {

bool is_unit(const sys::Path& path) {
    constexpr std::array<const char*, 6> kKinds{".service", ".socket", ".scope", ".mount", ".swap", ".slice"};
    return std::find(kKinds.begin(), kKinds.end(), path.extension()) != kKinds.end();
}

/// What systemd attaches to a unit's cgroup, and why (systemd.resource-control(5)).
struct Attached {
    bpf_attach_type type;
    const char* settings;
    const char* line;
};

constexpr std::array<Attached, 5> kAttached{{
    {BPF_CGROUP_INET_INGRESS, "IPAddressDeny=, IPAddressAllow= or IPAccounting=", "IPAddressDeny="},
    {BPF_CGROUP_INET_EGRESS, "IPAddressDeny=, IPAddressAllow= or IPAccounting=", "IPAddressDeny="},
    {BPF_CGROUP_DEVICE,
     "DeviceAllow=, DevicePolicy= or PrivateDevices=", "PrivateDevices=no, DevicePolicy=auto and DeviceAllow="},
    {BPF_CGROUP_INET4_BIND, "SocketBindDeny= or SocketBindAllow=", "SocketBindDeny="},
    {BPF_CGROUP_INET6_BIND, "SocketBindDeny= or SocketBindAllow=", "SocketBindDeny="},
}};

/// The numbers of the programs that are attached to a cgroup; empty where the kernel does not tell.
std::vector<std::uint32_t> programs_at(int cgroup, bpf_attach_type type) {
    constexpr std::size_t kMost = 64;  // the kernel's BPF_CGROUP_MAX_PROGS
    std::vector<std::uint32_t> numbers(kMost);
    bpf_attr query{};
    query.query.target_fd = static_cast<std::uint32_t>(cgroup);
    query.query.attach_type = type;
    query.query.prog_ids = reinterpret_cast<std::uintptr_t>(numbers.data());
    query.query.prog_cnt = kMost;
    if (::syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof query) != 0) return {};
    numbers.resize(query.query.prog_cnt);
    return numbers;
}

void add_programs(const sys::Path& cgroup, std::map<std::uint64_t, UnitProgram>& found) {
    const sys::UniqueFd folder(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return;
    for (const Attached& attached : kAttached)
        for (const std::uint32_t number : programs_at(folder.get(), attached.type))
            found.try_emplace(number, UnitProgram{cgroup.filename(), attached.settings, attached.line});
}

}  // namespace

std::string unit_of(pid_t pid) {
    for (const proc::CgroupMembership& group : proc::cgroups(pid)) {
        for (sys::Path path = group.path; path.has_relative_path(); path = path.parent_path())
            if (path.extension() == ".service") return path.filename();
    }
    return "";
}

std::string drop_in(const std::string& unit, const std::string& line, const std::string& then) {
    return fmt::format("`systemctl edit {}` in the target, set {} there, and {}", unit, line, then);
}

std::map<std::uint64_t, UnitProgram> unit_programs(pid_t init) {
    std::map<std::uint64_t, UnitProgram> found;
    const sys::Path top = proc::unified_cgroup_of(init);
    if (top.empty()) return found;
    for (const sys::Path& cgroup : proc::cgroups_below(top))
        if (cgroup != top && is_unit(cgroup)) add_programs(cgroup, found);
    return found;
}

}  // namespace stasis::inspect
