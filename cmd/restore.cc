#include "lib/ops/restore.h"
#include "lib/ops/misfit.h"

#include <fmt/format.h>

#include "cmd/all.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"

namespace stasis {
namespace {

struct RestoreOptions {
    ops::RestoreRequest request;
    ops::AllRequest all;
    bool is_all = false;
};

int restore_one(const Globals& globals, const ops::RestoreRequest& request) {
    Session session(globals);
    const ops::RestoreReport report = ops::restore(session.context(), request);
    if (globals.json)
        print_json({{"target", report.target},
                    {"checkpoint", report.checkpoint},
                    {"path", report.path.string()},
                    {"pid", report.pid},
                    {"recreated_network", report.recreated_network},
                    {"lazy", report.lazy},
                    {"running_us", report.running_us},
                    {"total_us", report.total_us},
                    {"away_us", report.away_us},
                    {"warnings", report.warnings}});
    else
        print_text(fmt::format("{} restored from '{}', made {} ago, in {}{}, pid {}\n", report.target,
                               report.checkpoint, human_span(report.away_us), human_time(report.total_us),
                               report.lazy ? ", running after " + human_time(report.running_us) : "", report.pid));
    return kOk;
}

int restore_all(const Globals& globals, RestoreOptions& options, const CLI::App& command) {
    const ops::RestoreRequest& request = options.request;
    if (!request.target.empty() || request.directory || request.replace || request.console_socket)
        throw Error(Kind::usage, "--all takes no target, --dir, --replace or --console-socket")
            .hint("restore those that need one by themselves");
    Session session(globals);
    options.all.keep_going = true;
    options.all.command = command_for_one(globals, command);
    options.all.error_of = error_of;
    report_all(session, globals, ops::restore_all(session.context(), options.all), "restored");
    return kOk;
}

}  // namespace

void add_restore(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<RestoreOptions>();
    ops::RestoreRequest& request = options->request;
    CLI::App& command = *parent.add_subcommand("restore", "Bring a target back as a checkpoint has it");
    command.add_option("TARGET", request.target, "Container or process tree");
    command.add_option("NAME", request.name, "Checkpoint (default: the newest stop state)");
    command.add_option("--dir", request.directory, "Restore the checkpoint that lies in this directory")
        ->type_name("DIR");
    command.add_flag("--replace", request.replace, "Kill the target if it runs, once the checkpoint is verified");
    CLI::Option* lazy = command.add_flag("--lazy", request.lazy, "Let the target run at once; its memory follows");
    command
        .add_flag("--new-pid-namespace", request.new_pid_namespace,
                  "Give a process tree its pids back in a pid namespace of its own")
        ->excludes(lazy);
    command.add_flag("--recreate-network", request.recreate_network,
                     "Make its network namespace again, if it was made by path and is gone (after a reboot)");
    command.add_flag("!--no-verify", request.verify, "Do not read the whole checkpoint to verify it first");
    command
        .add_option("--console-socket", request.console_socket,
                    "Socket that receives the console's other end, as for `runc run`")
        ->type_name("PATH");
    std::vector<std::string> kinds = ops::ignorable_misfits();
    kinds.emplace_back("all");
    command
        .add_option("--ignore-misfit", request.ignored_misfits, "Restore although this does not fit (can be repeated)")
        ->check(CLI::IsMember(kinds))
        ->type_name("KIND")
        ->allow_extra_args(false);
    add_all_options(command, options->all, options->is_all);
    command.callback([&globals, &run, &command, options] {
        if (!options->is_all && options->request.target.empty()) throw CLI::RequiredError("TARGET or --all");
        run = [&globals, &command, options] {
            return options->is_all ? restore_all(globals, *options, command) : restore_one(globals, options->request);
        };
    });
}

}  // namespace stasis
