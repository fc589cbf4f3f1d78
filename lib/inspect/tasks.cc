#include <unistd.h>

#include <sstream>

#include <fmt/format.h>

#include "lib/inspect/blockers.h"

namespace stasis::inspect {
namespace {

/// Processes that share the tree's pid namespace but do not descend from its root: they were started into
/// the container from outside (`runc exec`), and CRIU does not see them.
void find_strangers(const Scene& scene, Blockers& found) {
    if (scene.shares("pid")) return;
    for (const proc::Stat& process : scene.processes)
        if (process.state != 'Z' && !scene.has_pid(process.id.pid) &&
            proc::namespace_inode(process.id.pid, "pid") == scene.root().namespaces.at("pid"))
            found.push_back({kExecId,
                             fmt::format("pid {} ({}) was started into the container from outside and would be missing",
                                         process.id.pid, process.command),
                             "end it, or leave it out with --drop-exec"});
}

bool has_effective_capability(unsigned number) {
    // The only place to learn about our own set without libcap.
    std::istringstream stream(sys::read_file("/proc/self/status"));
    std::uint64_t effective = ~std::uint64_t{0};
    for (std::string line; std::getline(stream, line);)
        if (line.starts_with("CapEff:")) effective = std::stoull(line.substr(7), nullptr, 16);
    return (effective >> number & 1) != 0;
}

void find_unreadable_limits(const Scene& scene, Blockers& found) {
    constexpr unsigned kSysResource = 24;  // CAP_SYS_RESOURCE
    if (has_effective_capability(kSysResource)) return;
    for (const Task& task : scene.tasks)
        if (task.status.uid != 0 && task.namespaces.at("user") == scene.own_namespaces.at("user"))
            found.push_back(
                {"capability",
                 fmt::format("{} belongs to user {}, whose limits CRIU can't read here without CAP_SYS_RESOURCE",
                             task.text(), task.status.uid),
                 "run stasis with the capability CAP_SYS_RESOURCE, or the container in a user namespace"});
}

std::string command_of(const Scene& scene, pid_t pid) {
    for (const proc::Stat& process : scene.processes)
        if (process.id.pid == pid) return process.command;
    return "?";
}

void find_in_threads(const Task& task, Blockers& found) {
    for (const proc::Stat& thread : proc::threads_of(task.pid())) {
        if (thread.state != 'D') continue;
        const std::string where = proc::waits_in(thread.id.pid);
        found.push_back(
            {.id = "uninterruptible",
             .cause = fmt::format("{}, thread {} is in a wait that can't be interrupted{}; it can't be frozen",
                                  task.text(), thread.id.pid, where.empty() ? "" : " (in the kernel's " + where + ")"),
             .remedy =
                 "wait until what it waits for has come: a disk, an NFS server, or the exec of a child made by vfork",
             .passes = true,
             .instance = fmt::format("wait {} of {}", proc::read_status(thread.id.pid).waits, thread.id.pid)});
    }
}

}  // namespace

void find_in_tasks(const Scene& scene, Blockers& found) {
    if (proc::is_ancestor(scene.root().pid(), ::getpid()))
        found.push_back(
            {"ancestor",
             fmt::format("{} is an ancestor of stasis itself, which can't freeze itself", scene.root().text()),
             "run stasis from outside, for example from another terminal or a service", false, true});
    for (const Task& task : scene.tasks) {
        if (task.status.tracer != 0)
            found.push_back(
                {"traced",
                 fmt::format("{} is traced by pid {} ({}): a process has one tracer, and CRIU must be it", task.text(),
                             task.status.tracer, command_of(scene, task.status.tracer)),
                 fmt::format("end pid {}, for example a debugger or strace, or detach it", task.status.tracer)});
        if (task.stat.state == 'Z' && task.status.threads > 1)
            found.push_back(
                {.id = "leader-gone",
                 .cause = fmt::format("the first thread of {} has ended and others run on, which CRIU can't dump",
                                      task.text()),
                 .remedy = "have the program keep its main thread, for example in pthread_join()",
                 .instance = fmt::format("leader {}", task.pid())});
        if (!scene.surroundings.paused) find_in_threads(task, found);
    }
    find_unreadable_limits(scene, found);
    find_strangers(scene, found);
}

}  // namespace stasis::inspect
