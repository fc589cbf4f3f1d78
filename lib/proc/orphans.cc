#include "lib/proc/orphans.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

namespace stasis::proc {

Orphans::Orphans() : before_(children_of(::getpid())) {
    (void)::prctl(PR_GET_CHILD_SUBREAPER, &was_reaper_);
    (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Orphans::~Orphans() { (void)::prctl(PR_SET_CHILD_SUBREAPER, was_reaper_); }

std::vector<Stat> Orphans::new_children() const {
    std::vector<Stat> children = children_of(::getpid());
    std::erase_if(children, [this](const Stat& child) {
        return std::any_of(before_.begin(), before_.end(), [&](const Stat& old) { return old.id == child.id; });
    });
    return children;
}

void Orphans::end_all() const {
    // The children of one that ends come to us in their turn.
    for (bool found = true; found;) {
        found = false;
        for (const Stat& child : new_children()) {
            if (!kill_and_wait(child.id)) continue;
            found = ::waitpid(child.id.pid, nullptr, 0) == child.id.pid || found;
        }
    }
}

void Orphans::kill_all() const {
    // Those of one that ends come to us.
    for (bool found = true; found;) {
        found = false;
        for (const Stat& child : new_children())
            if (is_alive(child.id)) {
                kill_tree(child.id);
                found = found || !is_alive(child.id);
            }
    }
}

std::vector<Stat> children_of(pid_t parent) {
    std::vector<Stat> children = all_processes();
    std::erase_if(children, [parent](const Stat& stat) { return stat.parent != parent; });
    return children;
}

std::optional<int> ended_by_signal(pid_t pid) {
    const std::optional<Stat> stat = read_stat(pid);
    if (!stat || stat->state != 'Z') return std::nullopt;
    // The last field of /proc/PID/stat is what waitpid() would say (proc(5), exit_code).
    const std::optional<std::string> text = sys::read_file_if_exists("/proc/" + std::to_string(pid) + "/stat");
    if (!text) return std::nullopt;
    std::istringstream last(text->substr(text->rfind(' ') + 1));
    int status = 0;
    if (!(last >> status) || !WIFSIGNALED(status)) return std::nullopt;
    return WTERMSIG(status);
}

}  // namespace stasis::proc
