#include "cmd/hook_options.h"

#include "lib/move/link.h"

namespace stasis {

void add_hooks(CLI::App& command, const std::string& prefix, ops::Hook& before, ops::Hook& after) {
    const std::string where = prefix.empty() ? "here" : "on the other host";
    const auto add = [&](const std::string& name, ops::Hook& hook, const std::string& when) {
        command
            .add_option_function<std::string>(
                "--" + prefix + name, [&hook](const std::string& text) { hook = move::split_words(text); },
                "What to run " + where + " " + when)
            ->type_name("COMMAND");
    };
    add("pre-hook", before, prefix.empty() ? "just before the container is frozen" : "before that host is looked at");
    add("post-hook", after, "when the move has worked or failed");
}

}  // namespace stasis
