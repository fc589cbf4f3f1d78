#include "lib/ops/hook.h"

#include "lib/base/error.h"
#include "lib/sys/child.h"

namespace stasis::ops {

void run_hook(const Hook& hook, const HookNews& news, sys::Interrupts* interrupts) {
    if (hook.empty()) return;
    sys::Command command;
    command.args = hook;
    command.set_env = {"STASIS_HOOK=" + news.moment, "STASIS_TARGET=" + news.target, "STASIS_PEER=" + news.peer,
                       "STASIS_RESULT=" + news.result};
    try {
        (void)sys::run_or_throw(command, interrupts);
    } catch (Error& error) {
        throw error.context("the hook '" + hook.front() + "'");
    }
}

}  // namespace stasis::ops
