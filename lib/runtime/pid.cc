#include "lib/runtime/pid.h"

#include <unistd.h>

#include <charconv>
#include <csignal>

#include "lib/base/error.h"

namespace stasis::runtime {
namespace {

/// The pid that a name means, or nothing.
std::optional<pid_t> parse_pid(const std::string& name) {
    pid_t pid = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), pid);
    // One name for one process: its locks and its folder in the store go by it.
    const bool is_number = failure == std::errc() && end == name.data() + name.size() && name.front() != '0';
    if (!is_number || pid <= 0) return std::nullopt;
    return pid;
}

std::optional<proc::Stat> find(const std::string& name) {
    const std::optional<pid_t> pid = parse_pid(name);
    const std::optional<proc::Stat> stat = pid ? proc::read_stat(*pid) : std::nullopt;
    return stat && proc::is_alive(stat->id) ? stat : std::nullopt;
}

/// The session of a bare tree is its starter's when its root does not lead one.
bool is_shell_job(const proc::Stat& root) { return root.session != root.id.pid; }

bool shares_namespace(pid_t pid, const std::string& type) {
    return proc::namespace_inode(pid, type) == proc::namespace_inode(::getpid(), type);
}

/// What runs as this process, as far as a pid's new owner can be told from the old.
std::string program_of(pid_t pid) { return sys::read_link("/proc/" + std::to_string(pid) + "/exe").value_or(""); }

}  // namespace

bool PidAdapter::knows(const std::string& container) const { return find(container).has_value(); }

Status PidAdapter::status(const std::string& container) const {
    return find(container) ? Status::running : Status::absent;
}

Description PidAdapter::describe(const std::string& container) const {
    const std::optional<proc::Stat> root = find(container);
    if (!root) throw Error(Kind::not_found, "there is no process '" + container + "'");
    if (!shares_namespace(root->id.pid, "mnt"))
        throw Error(Kind::failed, "process " + container + " has a mount namespace of its own: it is a container")
            .hint("dump it through the runtime that made it; a bare tree is restored among the host's own mounts");
    Description description;
    description.runtime = name();
    description.name = container;
    description.init = root->id;
    description.options = {
        {"cgroup-mode", "ignore", "a bare tree shares the host's cgroups, which must stay as they are"}};
    if (is_shell_job(*root))
        description.options.push_back(
            {"shell-job", "",
             "the leader of its session is outside the tree; the restored tree joins stasis's session"});
    if (shares_namespace(root->id.pid, "net")) description.lasting_network = "/proc/self/ns/net";
    description.details["pid"] = root->id.pid;
    description.details["command"] = root->command;
    description.details["program"] = program_of(root->id.pid);
    description.details["own_pids"] = !shares_namespace(root->id.pid, "pid");
    return description;
}

bool PidAdapter::restores_to_same_pids(const Json& details) const { return !details.at("own_pids").get<bool>(); }

std::vector<std::string> PidAdapter::obstacles(const RestorePlan& plan) const {
    const std::optional<proc::Stat> there = find(plan.name);
    // A pid is used again: --replace must not kill a stranger.
    if (there && program_of(there->id.pid) != plan.details.at("program").get<std::string>())
        return {"pid " + plan.name + " belongs to another program now, '" + program_of(there->id.pid) + "' (" +
                there->command + ")"};
    return {};
}

proc::Identity PidAdapter::restore(const RestorePlan&, sys::Interrupts&) const {
    throw Error(Kind::internal, "a bare process tree has no runtime to restore it");
}

void PidAdapter::kill(const std::string& container) const {
    const std::optional<proc::Stat> root = find(container);
    if (!root) return;
    // Stopped first: nothing new is forked while we go through the tree.
    (void)::kill(root->id.pid, SIGSTOP);
    const std::vector<proc::Stat> tree = proc::tree_of(root->id.pid, proc::all_processes());
    for (const proc::Stat& stat : tree)
        if (!proc::kill_and_wait(stat.id))
            throw Error(Kind::target_changed,
                        "process " + std::to_string(stat.id.pid) + " was killed but does not end");
}

}  // namespace stasis::runtime
