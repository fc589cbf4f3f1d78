#include "lib/ops/misfit.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace stasis::ops {
namespace {

constexpr std::array<std::pair<MisfitKind, const char*>, 12> kNames{{{MisfitKind::target, "target"},
                                                                     {MisfitKind::architecture, "architecture"},
                                                                     {MisfitKind::runtime, "runtime"},
                                                                     {MisfitKind::criu, "criu"},
                                                                     {MisfitKind::cpu, "cpu"},
                                                                     {MisfitKind::cgroups, "cgroups"},
                                                                     {MisfitKind::lsm, "lsm"},
                                                                     {MisfitKind::mounts, "mounts"},
                                                                     {MisfitKind::files, "files"},
                                                                     {MisfitKind::pids, "pids"},
                                                                     {MisfitKind::addresses, "addresses"},
                                                                     {MisfitKind::moved, "moved"}}};

std::vector<std::string> missing_from(const std::vector<std::string>& have, const std::vector<std::string>& needed) {
    std::vector<std::string> missing;
    for (const std::string& name : needed)
        if (std::find(have.begin(), have.end(), name) == have.end()) missing.push_back(name);
    return missing;
}

std::pair<int, int> release_of(const std::string& kernel) {
    std::pair<int, int> release{0, 0};
    (void)std::sscanf(kernel.c_str(), "%d.%d", &release.first, &release.second);
    return release;
}

/// The first number in a text such as "runc version 1.1.5+ds1".
std::string first_number(const std::string& text) {
    const std::size_t begin = std::min(text.find_first_of("0123456789"), text.size());
    return text.substr(begin, text.find_first_not_of("0123456789", begin) - begin);
}

const char* type_name(std::uint32_t mode) { return S_ISDIR(mode) ? "folder" : S_ISREG(mode) ? "file" : "special file"; }

void compare_contents(const ExpectedFile& was, const ExpectedFile& now, Fit& fit) {
    if (now.size != was.size) {
        std::string remedy = "put it back as it was";
        if (*now.size > *was.size && was.build_id.empty())
            remedy += fmt::format(", or, if it only grew, cut it: truncate -s {} '{}'", *was.size, was.path);
        fit.misfits.push_back(
            {MisfitKind::files, fmt::format("'{}' has {} bytes, it had {}", was.path, *now.size, *was.size), remedy});
    } else if (now.build_id != was.build_id) {
        fit.misfits.push_back(
            {MisfitKind::files,
             fmt::format("'{}' is another build: its build-id is {}, it was {}", was.path,
                         now.build_id.empty() ? "none" : now.build_id, was.build_id.empty() ? "none" : was.build_id),
             "install the version again that was in use"});
    } else if (now.mtime_ns != was.mtime_ns && was.build_id.empty()) {
        fit.warnings.push_back(
            fmt::format("'{}', which it has open or mapped, was written since; its size is the same", was.path));
    }
}

/// The process that a thread belongs to; 0 where there is none.
pid_t process_of_thread(pid_t thread) {
    const std::string status = sys::read_file_if_exists(fmt::format("/proc/{}/status", thread)).value_or("");
    const std::size_t at = status.find("\nTgid:");
    pid_t process = 0;
    if (at != std::string::npos) (void)std::sscanf(status.c_str() + at, "\nTgid: %d", &process);
    return process;
}

}  // namespace

std::string to_string(MisfitKind kind) {
    return std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.first == kind; })->second;
}

std::vector<std::string> ignorable_misfits() {
    std::vector<std::string> names;
    for (const auto& [kind, name] : kNames)
        if (kind != MisfitKind::target && kind != MisfitKind::architecture && kind != MisfitKind::runtime)
            names.emplace_back(name);
    return names;
}

void compare_hosts(const store::Manifest& manifest, const Host& here, const criu::Version& criu, Fit& fit) {
    if (here.architecture != manifest.architecture) {
        fit.misfits.push_back({MisfitKind::architecture,
                               "it was made on " + manifest.architecture + ", this is " + here.architecture,
                               "restore it on a host of that kind"});
        return;
    }
    if (!manifest.criu_version.empty() && criu < criu::Version::parse(manifest.criu_version))
        fit.misfits.push_back({MisfitKind::criu,
                               "it was made by CRIU " + manifest.criu_version + ", here is CRIU " + criu.text(),
                               "install CRIU " + manifest.criu_version + " or newer"});
    const std::vector<std::string> missing = missing_from(here.cpu_features, manifest.cpu_features);
    if (!missing.empty())
        fit.misfits.push_back({MisfitKind::cpu, fmt::format("this processor lacks {}", fmt::join(missing, ", ")),
                               "restore it on a host that has them; what has found them may use them any time"});
    if (release_of(here.kernel) < release_of(manifest.kernel))
        fit.warnings.push_back("it was made on Linux " + manifest.kernel + ", this is " + here.kernel +
                               ", which is older: it may lack what is needed");
}

void compare_clocks(const std::string& created, const std::string& now, Fit& fit) {
    if (now >= created) return;
    fit.warnings.push_back(fmt::format(
        "the clock of this host says {}, which is before the checkpoint was made ({}): the time of day goes "
        "backwards for its programs; set the clock first where they mind",
        now, created));
}

void compare_runtimes(const std::string& was, const std::string& now, Fit& fit) {
    if (first_number(was) != first_number(now))
        fit.warnings.push_back("it was made with " + was + ", here is " + (now.empty() ? "none" : now));
}

void compare_cgroups(const ExpectedCgroups& was, const ExpectedCgroups& available, Fit& fit) {
    if (was.mode.empty()) return;
    if (was.mode != available.mode) {
        fit.misfits.push_back({MisfitKind::cgroups,
                               "its control groups were " + was.mode + ", here they are " + available.mode,
                               "boot this host with the same hierarchies (systemd.unified_cgroup_hierarchy)"});
        return;
    }
    for (const std::string& name : missing_from(available.controllers, was.controllers))
        fit.misfits.push_back({MisfitKind::cgroups, "the control group hierarchy '" + name + "' is not here",
                               "mount it, or enable it on the kernel's command line"});
}

void compare_profiles(const std::vector<std::string>& needed, const std::vector<std::string>& loaded, Fit& fit) {
    for (const std::string& name : missing_from(loaded, needed))
        fit.misfits.push_back(
            {MisfitKind::lsm, "the AppArmor profile '" + name + "' is not loaded", "load it with apparmor_parser"});
}

void compare_mounts(const std::vector<ExpectedMount>& mounts, Fit& fit) {
    for (const ExpectedMount& mount : mounts) {
        const std::string what = "'" + mount.source + "', mounted at '" + mount.destination + "', ";
        std::error_code failure;
        const std::filesystem::file_status status = std::filesystem::status(mount.source, failure);
        if (!std::filesystem::exists(status))
            fit.misfits.push_back({MisfitKind::mounts, what + "is not there", "put it back, or mount what it lies on"});
        else if (std::filesystem::is_directory(status) != mount.folder)
            fit.misfits.push_back({MisfitKind::mounts,
                                   what + (mount.folder ? "is no folder any more" : "is a folder now"),
                                   "put back what it was"});
    }
}

void compare_mount_points(const std::vector<std::string>& needed, const std::vector<proc::Mount>& mounts, Fit& fit) {
    for (const std::string& place : needed)
        if (std::none_of(mounts.begin(), mounts.end(),
                         [&](const proc::Mount& mount) { return mount.mount_point == place; }))
            fit.misfits.push_back({MisfitKind::mounts, "nothing is mounted at '" + place + "', where files of it lay",
                                   "mount it: `mount " + place + "`"});
}

void compare_file(const ExpectedFile& was, const std::optional<ExpectedFile>& now, Fit& fit) {
    constexpr std::uint32_t kPermissions = 07777;
    if (!now) {
        fit.misfits.push_back({MisfitKind::files, "'" + was.path + "' is not there", "put it back as it was"});
    } else if ((now->mode & S_IFMT) != (was.mode & S_IFMT)) {
        fit.misfits.push_back(
            {MisfitKind::files,
             fmt::format("'{}' is a {}, it was a {}", was.path, type_name(now->mode), type_name(was.mode)),
             "put it back as it was"});
    } else {
        if (now->mode != was.mode)
            fit.misfits.push_back({MisfitKind::files,
                                   fmt::format("'{}' has mode {:04o}, it had {:04o}", was.path,
                                               now->mode & kPermissions, was.mode & kPermissions),
                                   fmt::format("chmod {:04o} '{}'", was.mode & kPermissions, was.path)});
        if (was.size) compare_contents(was, *now, fit);
    }
}

void compare_pids(const std::vector<pid_t>& needed, const std::vector<proc::Stat>& processes,
                  const std::vector<proc::Stat>& replaced, Fit& fit) {
    std::set<pid_t> free(needed.begin(), needed.end());
    std::map<pid_t, const proc::Stat*> others;
    for (const proc::Stat& process : processes)
        if (process.state != 'Z' && process.state != 'X') others.emplace(process.id.pid, &process);
    for (const proc::Stat& process : replaced) others.erase(process.id.pid);

    const auto complain = [&](pid_t pid, const std::string& use, const proc::Stat& holder) {
        if (!free.contains(pid) || proc::is_ending(holder.id)) return;
        free.erase(pid);
        fit.misfits.push_back(
            {MisfitKind::pids,
             fmt::format("pid {} is taken{} by '{}' (pid {})", pid, use, holder.command, holder.id.pid),
             "end that process"});
    };
    for (const auto& [pid, process] : others) complain(pid, "", *process);
    for (const auto& [pid, process] : others) complain(process->process_group, " as a process group", *process);
    for (const auto& [pid, process] : others) complain(process->session, " as a session", *process);
    for (const pid_t pid : std::set(free))
        if (const auto process = others.find(process_of_thread(pid)); process != others.end())
            complain(pid, " as a thread", *process->second);
}

}  // namespace stasis::ops
