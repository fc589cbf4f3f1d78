#include <sys/sysmacros.h>

#include <set>

#include <fmt/format.h>

#include "lib/inspect/blockers.h"

namespace stasis::inspect {
namespace {

/// /dev/ptmx: each descriptor is the master of one terminal.
bool is_master(dev_t special) { return special == makedev(5, 2); }

/// The number of a terminal's slave, or nothing for what is none (Documentation/admin-guide/devices.txt).
std::optional<unsigned> slave_number(dev_t special) {
    constexpr unsigned kFirst = 136;
    constexpr unsigned kLast = 143;
    constexpr unsigned kPerMajor = 256;
    if (major(special) < kFirst || major(special) > kLast) return std::nullopt;
    return (major(special) - kFirst) * kPerMajor + minor(special);
}

/// Masters that the tree holds, by the numbers of their slaves.
std::set<unsigned> masters_in(const Scene& scene) {
    std::set<unsigned> masters;
    for (const Task& task : scene.tasks)
        for (const proc::Descriptor& descriptor : task.descriptors) {
            if (!is_master(descriptor.special)) continue;
            const auto info = proc::descriptor_info(task.pid(), descriptor.number);
            if (const auto index = info.find("tty-index"); index != info.end())
                masters.insert(static_cast<unsigned>(std::stoul(index->second)));
        }
    return masters;
}

/// Terminals whose other end the runtime makes again, as CRIU names them: those that it has called external.
std::set<std::string> made_again_by_runtime(const Scene& scene) {
    std::set<std::string> names;
    for (const Option& option : scene.surroundings.given)
        if (option.key == "external" && option.value.starts_with("tty[")) names.insert(option.value);
    return names;
}

std::string name_of(const proc::Descriptor& terminal) {
    return fmt::format("tty[{:x}:{:x}]", terminal.special, terminal.device);
}

}  // namespace

void find_in_terminals(const Scene& scene, Blockers& found) {
    const std::set<std::string> made_again = made_again_by_runtime(scene);
    // One that names none makes the other end of each (runc, podman).
    if (scene.surroundings.has_runtime && made_again.empty()) return;
    const std::set<unsigned> masters = masters_in(scene);
    std::set<std::string> named;
    for (const Task& task : scene.tasks)
        for (const proc::Descriptor& descriptor : task.descriptors) {
            // One whose other end has gone comes back as such, where its mount is the target's as well (CRIU 4.2.1).
            if (descriptor.target.ends_with(" (deleted)")) continue;
            const std::optional<unsigned> number = slave_number(descriptor.special);
            if (!number || masters.contains(*number) || made_again.contains(name_of(descriptor))) continue;
            // One line a process: a shell's job has it as input, output and error.
            if (!named.insert(task.text() + descriptor.target).second) continue;
            found.push_back(
                {.id = "terminal",
                 .cause = fmt::format("{} is on the terminal '{}', whose other end is a process outside",
                                      task.text(descriptor), descriptor.target),
                 .remedy =
                     "start it without the terminal (`setsid PROGRAM </dev/null >LOG 2>&1`), or in tmux, and dump the "
                     "tmux server",
                 .instance = fmt::format("terminal {}", *number)});
        }
}

}  // namespace stasis::inspect
