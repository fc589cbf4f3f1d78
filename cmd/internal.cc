// Commands that stasis starts itself; help does not list them.
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/hook_options.h"
#include "cmd/output.h"
#include "lib/move/channel.h"
#include "lib/move/tree.h"
#include "lib/ops/receive.h"
#include "lib/ops/selftest.h"
#include "lib/ops/trial.h"
#include "lib/pages/lazy.h"
#include "lib/proc/pid_namespace.h"
#include "lib/runtime/podman_conmon.h"
#include "lib/runtime/private_mount.h"
#include "lib/runtime/runc_network.h"

namespace stasis {
namespace {

CLI::App& add_hidden(CLI::App& parent, const std::string& name) {
    CLI::App& command = *parent.add_subcommand(name, "");
    command.group("");
    return command;
}

struct RunWithMountOptions {
    std::string source;
    std::string target;
    std::vector<std::string> command;
};

struct ServePagesOptions {
    std::string criu;
    std::string images;
};

struct RsyncTransportOptions {
    int fd = -1;
    std::vector<std::string> words;
};

}  // namespace

void add_receive(CLI::App& parent, const Globals& globals, Run& run) {
    const auto hooks = std::make_shared<ops::Hooks>();
    CLI::App& command = add_hidden(parent, "receive");
    add_hooks(command, "", hooks->before, hooks->after);
    command.callback([&globals, &run, hooks] {
        run = [&globals, hooks]() -> int {
            Session session(globals);
            move::Channel channel(sys::UniqueFd(::dup(STDIN_FILENO)), sys::UniqueFd(::dup(STDOUT_FILENO)));
            ops::receive(session.context(), channel, *hooks);
            return kOk;
        };
    });
}

void add_rsync_transport(CLI::App& parent, const Globals&, Run& run) {
    const auto options = std::make_shared<RsyncTransportOptions>();
    CLI::App& command = add_hidden(parent, "rsync-transport");
    command.add_option("FD", options->fd)->required();
    command.add_option("WORDS", options->words)->required();
    command.callback([&run, options] {
        run = [options]() -> int {
            move::rsync_transport(options->words, options->fd);
            return kOk;
        };
    });
}

void add_serve_pages(CLI::App& parent, const Globals&, Run& run) {
    const auto options = std::make_shared<ServePagesOptions>();
    CLI::App& command = add_hidden(parent, "serve-pages");
    command.add_option("CRIU", options->criu)->required();
    command.add_option("IMAGES", options->images)->required();
    command.callback([&run, options] {
        run = [options]() -> int {
            const criu::Version version = criu::Version::parse(options->criu);
            pages::serve_pages(options->images, pages::layout_of(version).value(), STDIN_FILENO);
            return kOk;
        };
    });
}

void add_guard_trial(CLI::App& parent, const Globals&, Run& run) {
    add_hidden(parent, "guard-trial").callback([&run] {
        run = []() -> int {
            ops::guard_trial(STDIN_FILENO);
            return kOk;
        };
    });
}

void add_selftest_target(CLI::App& parent, const Globals&, Run& run) {
    add_hidden(parent, "selftest-target").callback([&run] { run = ops::run_selftest_target; });
}

void add_prepare_network(CLI::App& parent, const Globals&, Run& run) {
    const auto images = std::make_shared<std::string>();
    CLI::App& command = add_hidden(parent, "prepare-network");
    command.add_option("IMAGES", *images)->required();
    command.callback([&run, images] {
        run = [images]() -> int {
            runtime::prepare_network(*images);
            return kOk;
        };
    });
}

void add_in_new_pids(CLI::App& parent, const Globals&, Run& run) {
    const auto words = std::make_shared<std::vector<std::string>>();
    CLI::App& command = add_hidden(parent, "in-new-pids");
    command.add_option("COMMAND", *words)->required();
    command.callback([&run, words] {
        run = [words]() -> int {
            return proc::run_in_pid_namespace(*words, [](pid_t init) { print_text(std::to_string(init)); });
        };
    });
}

void add_run_with_mount(CLI::App& parent, const Globals&, Run& run) {
    const auto options = std::make_shared<RunWithMountOptions>();
    CLI::App& command = add_hidden(parent, "run-with-mount");
    command.add_option("SOURCE", options->source)->required();
    command.add_option("TARGET", options->target)->required();
    command.add_option("COMMAND", options->command)->required();
    command.callback([&run, options] {
        run = [options]() -> int { runtime::run_with_mount(options->source, options->target, options->command); };
    });
}

void add_run_conmon(CLI::App& parent, const Globals&, Run& run) {
    const auto file = std::make_shared<std::string>();
    CLI::App& command = add_hidden(parent, "run-conmon");
    command.add_option("FILE", *file)->required();
    // All else is meant for conmon, `--version` too.
    command.prefix_command()->fallthrough(false)->set_help_flag();
    command.callback([&run, &command, file] {
        run = [&command, file]() -> int { runtime::run_conmon(*file, command.remaining()); };
    });
}

}  // namespace stasis
