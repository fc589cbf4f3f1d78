#include "lib/ops/restore_new_pids.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/criu/options.h"
#include "lib/proc/own_memory.h"
#include "lib/sys/child.h"

namespace stasis::ops {
namespace {

/// CRIU's options for its command line that a file of options can't hold, or that a runtime's restore does not need.
std::vector<std::string> more_options(const OptionList& options) {
    std::vector<std::string> words;
    for (const Option& option : options) {
        if (option.key == "shell-job") words.emplace_back("--shell-job");
        if (option.key == "cgroup-mode") words.push_back("--manage-cgroups=" + option.value);
    }
    return words;
}

int find_root(pid_t init, pid_t pid_there) {
    for (const proc::Stat& task : proc::tree_of(init, proc::all_processes())) {
        const std::vector<pid_t> pids = proc::pids_in_namespaces(task.id.pid);
        if (!pids.empty() && pids.back() == pid_there) return task.id.pid;
    }
    throw Error(Kind::failed, "the first process ended right after it was restored");
}

}  // namespace

int restore_into_new_pids(const criu::Binary& criu, const store::Manifest& manifest, const runtime::RestorePlan& plan,
                          sys::Interrupts& interrupts) {
    const Path configuration = plan.logs / (plan.log_name + ".conf");
    sys::write_file_atomically(configuration, plan.criu_configuration, 0600);
    sys::Command command;
    command.args = {sys::own_path(), "in-new-pids",  "--",         criu.path,    "restore", "--restore-detached",
                    "-v4",           "--images-dir", plan.images,  "--work-dir", plan.logs, "--log-file",
                    plan.log_name,   "--config",     configuration};
    const std::vector<std::string> more = more_options(manifest.criu_options);
    command.args.insert(command.args.end(), more.begin(), more.end());
    command.set_env = {"PATH=" + plan.search_path()};
    command.unset_env = {"CRIU_CONFIG_FILE"};
    const sys::RunResult result = sys::run(command, &interrupts);
    if (!result.status.ok())
        throw Error(Kind::failed, "CRIU's restore in a new pid namespace ended with " + result.status.describe())
            .log(plan.logs / plan.log_name);
    return find_root(std::stoi(result.out), manifest.tasks.front().pid);
}

}  // namespace stasis::ops
