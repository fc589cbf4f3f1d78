#include "lib/ops/live_tasks.h"

#include "lib/proc/own_memory.h"

namespace stasis::ops {

std::vector<pages::LiveTask> live_tasks(const proc::Identity& init) {
    std::vector<pages::LiveTask> tasks;
    const std::size_t level = proc::pids_in_namespaces(init.pid).size();
    for (const proc::Stat& task : proc::tree_of(init.pid, proc::all_processes())) {
        const std::vector<pid_t> pids = proc::pids_in_namespaces(task.id.pid);
        if (level == 0 || pids.size() < level) continue;
        const auto number = static_cast<std::uint64_t>(pids[level - 1]);
        tasks.push_back({{pages::ImageKind::process, number}, task.id.pid});
    }
    return tasks;
}

}  // namespace stasis::ops
