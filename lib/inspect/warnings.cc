#include "lib/inspect/warnings.h"

#include <sys/stat.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "lib/inspect/connections.h"
#include "lib/inspect/mounts.h"

namespace stasis::inspect {
namespace {

/// The tree's own addresses: what is connected to one of them, or waits there to be accepted, comes along.
std::set<std::string> own_addresses(const Scene& scene) {
    std::set<std::string> addresses;
    for (const proc::Sockets& network : scene.networks)
        for (const proc::TcpSocket& socket : network.of_tcp)
            if (scene.sockets.contains(socket.inode)) addresses.insert(socket.local);
    return addresses;
}

/// While the target goes on, what its peers know of a connection leaves the snapshot behind.
void warn_of_connections(const Scene& scene, std::vector<Warning>& warnings) {
    if (!scene.surroundings.keeps_running) return;
    const std::set<std::string> inside = own_addresses(scene);
    std::vector<proc::TcpSocket> outward = connections_of(scene);
    std::erase_if(outward, [&](const proc::TcpSocket& connection) { return inside.contains(connection.remote); });
    if (outward.empty()) return;
    warnings.push_back({"connections",
                        "the target goes on talking to its peers, so a restore of this snapshot will find these "
                        "connections broken (--tcp close closes them cleanly): " +
                            describe(outward)});
}

/// Which mounts of the target are not kept with its root file system, by their mount points.
std::vector<std::pair<int, std::string>> mounts_outside(const Scene& scene) {
    std::vector<std::pair<int, std::string>> result;
    for (const Option& option : scene.surroundings.given) {
        if (option.key != "external" || !option.value.starts_with("mnt[")) continue;
        const std::string point = option.value.substr(4, option.value.find("]:") - 4);
        for (const proc::Mount& mount : proc::mounts(scene.root().pid()))
            if (mount.mount_point == point) result.emplace_back(mount.id, point);
    }
    return result;
}

void warn_of_files_outside(const Scene& scene, std::vector<Warning>& warnings) {
    const std::vector<std::pair<int, std::string>> outside = mounts_outside(scene);
    constexpr std::size_t kNamed = 5;
    std::vector<std::string> named;
    for (const Task& task : scene.tasks)
        for (const proc::Descriptor& descriptor : task.descriptors) {
            if (!descriptor.writable || !S_ISREG(descriptor.mode) || descriptor.links == 0) continue;
            if (descriptor.target.starts_with("/proc/") || descriptor.target.starts_with("/sys/")) continue;
            const bool is_outside = !scene.surroundings.has_runtime ||
                                    std::any_of(outside.begin(), outside.end(),
                                                [&](const auto& mount) { return mount.first == descriptor.mount_id; });
            const bool is_new = std::find(named.begin(), named.end(), descriptor.target) == named.end();
            if (is_outside && is_new) named.push_back(descriptor.target);
        }
    if (named.empty()) return;
    std::string text = fmt::format(
        "{} file{} open for writing {} outside of what is kept, and must be as now at the restore:", named.size(),
        named.size() == 1 ? "" : "s", named.size() == 1 ? "is" : "are");
    for (std::size_t i = 0; i < named.size() && i < kNamed; ++i) text += (i == 0 ? " '" : ", '") + named[i] + "'";
    warnings.push_back({"files-outside", text + (named.size() > kNamed ? ", …" : "")});
}

void warn_of_wall_clock(const Scene& scene, std::vector<Warning>& warnings) {
    for (const Task& task : scene.tasks)
        for (const proc::Descriptor& descriptor : task.descriptors) {
            if (descriptor.target != "anon_inode:[timerfd]") continue;
            const auto info = proc::descriptor_info(task.pid(), descriptor.number);
            const auto clock = info.find("clockid");
            const auto value = info.find("it_value");
            const auto flags = info.find("settime flags");
            const bool is_armed = value != info.end() && value->second != "(0, 0)";
            const bool is_absolute =
                flags != info.end() && (std::stoul(flags->second, nullptr, 8) & TFD_TIMER_ABSTIME) != 0;
            if (clock == info.end() || clock->second != "0" || !is_armed || !is_absolute)
                continue;  // 0 is CLOCK_REALTIME
            warnings.push_back(
                {"wall-clock", task.text(descriptor) +
                                   " is set to a time of day: should that pass meanwhile, it fires right after the "
                                   "restore"});
        }
}

/// The target stands still for as long as gzip takes (criu::has_pigz()).
void warn_of_slow_gzip(const Scene& scene, std::vector<Warning>& warnings) {
    constexpr std::uint64_t kWorthWords = 16 << 20;  // half a second
    constexpr std::uint64_t kEachSecond = 35 << 20;  // of what can't be made smaller
    const std::uint64_t bytes = tmpfs_bytes(scene);
    if (scene.surroundings.has_pigz || bytes < kWorthWords) return;
    warnings.push_back({"gzip", fmt::format("{} MiB lie in its tmpfs file systems, which CRIU gives to gzip while the "
                                            "target stands still: that may take {} s; with pigz installed it takes a "
                                            "tenth",
                                            bytes >> 20, (bytes + kEachSecond - 1) / kEachSecond)});
}

}  // namespace

std::vector<Warning> find_warnings(const Scene& scene) {
    std::vector<Warning> warnings;
    warn_of_connections(scene, warnings);
    warn_of_files_outside(scene, warnings);
    warn_of_wall_clock(scene, warnings);
    warn_of_slow_gzip(scene, warnings);
    return warnings;
}

}  // namespace stasis::inspect
