#include "lib/inspect/scene.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "lib/base/error.h"

namespace stasis::inspect {
namespace {

std::map<std::string, std::uint64_t> namespaces_of(pid_t pid) {
    constexpr std::array<const char*, 9> kTypes{"cgroup", "ipc", "mnt", "net", "pid", "time", "time_for_children",
                                                "user",   "uts"};
    std::map<std::string, std::uint64_t> result;
    for (const char* type : kTypes) result[type] = proc::namespace_inode(pid, type);
    return result;
}

std::set<int> mounts_of(pid_t pid) {
    std::set<int> ids;
    try {
        for (const proc::Mount& mount : proc::mounts(pid)) ids.insert(mount.id);
    } catch (const Error&) {
        // It has ended: the file is there, and can't be opened.
    }
    return ids;
}

Task read_task(const proc::Stat& stat) {
    const pid_t pid = stat.id.pid;
    return {stat,          proc::read_status(pid), namespaces_of(pid), proc::descriptors(pid), proc::file_mappings(pid),
            mounts_of(pid)};
}

/// Calls `work` for each number below `count`, by all processors where there are many: most of the time goes into the
/// links of /proc/PID/fd.
void for_each_below(std::size_t count, std::size_t few, const std::function<void(std::size_t)>& work) {
    const std::size_t threads =
        std::clamp<std::size_t>(count / few, 1, std::max(1U, std::thread::hardware_concurrency()));
    std::atomic<std::size_t> next = 0;
    const auto take = [&] {
        for (std::size_t i = next++; i < count; i = next++) work(i);
    };
    std::vector<std::future<void>> others;
    for (std::size_t i = 1; i < threads; ++i) others.push_back(std::async(std::launch::async, take));
    take();
    for (std::future<void>& other : others) other.get();
}

std::vector<Task> read_tasks(const std::vector<proc::Stat>& tree) {
    constexpr std::size_t kFewTasks = 8;
    std::vector<Task> tasks(tree.size());
    for_each_below(tree.size(), kFewTasks, [&](std::size_t i) { tasks[i] = read_task(tree[i]); });
    return tasks;
}

bool is_socket(const proc::Descriptor& descriptor) { return descriptor.target.starts_with("socket:"); }

/// False where the task has ended meanwhile: another one may lead to the same network.
bool add_network(const Task& task, Scene& scene) {
    try {
        scene.networks.push_back(proc::sockets_of(task.pid()));
        return true;
    } catch (const Error&) {
        if (proc::is_alive(task.stat.id) && !proc::is_ending(task.stat.id)) throw;
        return false;
    }
}

/// sock_diag tells of unix sockets, of which there may be many, all at once; the others are asked one by one.
/// (An MPTCP socket is among its TCP ones as well.)
void read_sockets(Scene& scene) {
    std::set<std::uint64_t> networks;
    std::set<std::uint64_t> of_unix;
    for (const Task& task : scene.tasks) {
        const std::uint64_t network = task.namespaces.at("net");
        if (network == 0 || std::none_of(task.descriptors.begin(), task.descriptors.end(), is_socket)) continue;
        if (!networks.contains(network) && add_network(task, scene)) networks.insert(network);
    }
    for (const proc::Sockets& network : scene.networks)
        for (const proc::UnixSocket& socket : network.of_unix) of_unix.insert(socket.inode);
    struct Asked {
        std::string* protocol;
        pid_t pid;
        int number;
    };
    std::vector<Asked> others;
    for (const Task& task : scene.tasks)
        for (const proc::Descriptor& descriptor : task.descriptors) {
            if (!is_socket(descriptor)) continue;
            const std::uint64_t inode = proc::inode_in(descriptor.target);
            const auto [entry, is_new] = scene.sockets.try_emplace(inode, "UNIX");  // else inherited
            if (is_new && !of_unix.contains(inode)) others.push_back({&entry->second, task.pid(), descriptor.number});
        }
    constexpr std::size_t kFewSockets = 200;
    for_each_below(others.size(), kFewSockets, [&](std::size_t i) {
        *others[i].protocol = proc::socket_protocol(others[i].pid, others[i].number);
    });
}

}  // namespace

std::string Task::text() const { return fmt::format("pid {} ({})", pid(), stat.command); }

std::string Task::text(const proc::Descriptor& descriptor) const {
    return fmt::format("{}, descriptor {}", text(), descriptor.number);
}

std::uint64_t Scene::memory_bytes() const {
    std::uint64_t own = 0;
    std::uint64_t shared = 0;
    for (const Task& task : tasks) {
        own += task.status.own_bytes;
        shared = std::max(shared, task.status.shared_bytes);
    }
    return own + shared;
}

bool Scene::has_pid(pid_t pid) const {
    return std::any_of(tasks.begin(), tasks.end(), [pid](const Task& task) { return task.pid() == pid; });
}

bool Scene::shares(const std::string& type) const { return root().namespaces.at(type) == own_namespaces.at(type); }

Scene read_scene(const proc::Identity& root, Surroundings surroundings) {
    Scene scene;
    scene.surroundings = std::move(surroundings);
    scene.own_namespaces = namespaces_of(::getpid());
    scene.processes = proc::all_processes();
    const std::vector<proc::Stat> tree = proc::tree_of(root.pid, scene.processes);
    if (tree.empty() || tree.front().id != root)
        throw Error(Kind::not_found, fmt::format("process {} ended while we looked at it", root.pid));

    scene.tasks = read_tasks(tree);
    read_sockets(scene);
    scene.watches = read_watches(scene.tasks);
    return scene;
}

}  // namespace stasis::inspect
