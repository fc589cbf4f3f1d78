#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace stasis::inspect {

/// The systemd unit that a process belongs to, from its cgroup; empty where it is in none.
std::string unit_of(pid_t pid);

/// What to do about a setting of a systemd unit: `line` as it is to be there, and what to do then.
std::string drop_in(const std::string& unit, const std::string& line, const std::string& then = "restart the unit");

/// A BPF program that systemd holds for one of its units, and the settings that make it.
struct UnitProgram {
    std::string unit;
    std::string settings;  ///< "IPAddressDeny= and IPAddressAllow="
    std::string line;      ///< what the unit is to have instead
};

/// Those attached to the cgroups of the tree that `init` begins, by the kernel's number for the program; empty where
/// this process does not see these cgroups, or has no cgroup v2.
std::map<std::uint64_t, UnitProgram> unit_programs(pid_t init);

}  // namespace stasis::inspect
