#include "lib/inspect/look.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "lib/inspect/connections.h"
#include "lib/inspect/mounts.h"

namespace stasis::inspect {
namespace {

using std::chrono_literals::operator""ms;

constexpr std::array kDetectors{find_in_tasks,   find_in_namespaces, find_in_files,  find_in_terminals,
                                find_in_sockets, find_in_locks,      find_in_mounts, find_in_watches};

Blockers find_blockers(const Scene& scene) {
    Blockers found;
    for (const auto& find : kDetectors) find(scene, found);
    return found;
}

void refuse_connections(const Scene& scene, Blockers& blockers) {
    for (const proc::TcpSocket& connection : connections_of(scene))
        blockers.push_back({"connection", "a TCP connection is open: " + connection.local + " to " + connection.remote,
                            "close it, or say what becomes of it: --tcp keep or --tcp close"});
}

bool is_of_network(const std::string& protocol) {
    constexpr std::array<std::string_view, 4> kFamilies{"TCP", "UDP", "RAW", "PING"};
    return std::any_of(kFamilies.begin(), kFamilies.end(),
                       [&](std::string_view name) { return protocol.starts_with(name); });
}

bool all_pass(const Blockers& blockers) {
    return !blockers.empty() &&
           std::all_of(blockers.begin(), blockers.end(), [](const Blocker& b) { return b.passes; });
}

/// What is read of a live tree is read one after the other: what a process made or closed in between does not fit. Such
/// a thing is there in one look; and a thread that waits for a disk at each is not stuck where the waits are different.
Blockers without_passed(Blockers now, const Blockers& before) {
    std::erase_if(now, [&](const Blocker& blocker) {
        return !blocker.instance.empty() && std::none_of(before.begin(), before.end(), [&](const Blocker& other) {
            return other.instance == blocker.instance;
        });
    });
    return now;
}

std::string without_root(const std::string& path) { return path.substr(1); }

}  // namespace

Look look(const proc::Identity& root, const Surroundings& surroundings, Tcp tcp, sys::Interrupts& interrupts) {
    // 5 s: a disk that is busy takes seconds, and nothing stands still meanwhile.
    constexpr std::array kPauses{100ms, 200ms, 400ms, 800ms, 1500ms, 2000ms};
    Scene scene = read_scene(root, surroundings);
    Look result;
    Blockers before = find_blockers(scene);
    result.blockers = before;
    for (const auto pause : kPauses) {
        if (result.blockers.empty()) break;
        interrupts.pause(pause);
        scene = read_scene(root, surroundings);
        const Blockers now = find_blockers(scene);
        result.blockers = without_passed(now, before);
        before = now;
        if (!all_pass(result.blockers)) break;
    }
    if (tcp == Tcp::fail) refuse_connections(scene, result.blockers);
    result.warnings = find_warnings(scene);
    result.options = choose_options(scene, tcp);
    result.has_network_sockets = std::any_of(scene.sockets.begin(), scene.sockets.end(),
                                             [](const auto& socket) { return is_of_network(socket.second); });
    for (const Task& task : scene.tasks) result.tasks.push_back(task.stat);
    result.memory_bytes = scene.memory_bytes();
    result.tmpfs_bytes = tmpfs_bytes(scene);
    return result;
}

std::set<std::string> written_files(const std::vector<proc::Stat>& tasks) {
    std::set<std::string> written;
    for (const proc::Stat& task : tasks) {
        for (const proc::Descriptor& descriptor : proc::descriptors(task.id.pid))
            if (descriptor.writable) written.insert(without_root(descriptor.target));
        for (const proc::FileMapping& mapping : proc::file_mappings(task.id.pid))
            if (mapping.shared && mapping.writable && mapping.path.starts_with("/"))
                written.insert(without_root(mapping.path));
    }
    return written;
}

}  // namespace stasis::inspect
