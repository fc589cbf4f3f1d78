#include "lib/ops/restore.h"
#include "lib/ops/misfit.h"

#include <fmt/format.h>

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"

namespace stasis {
namespace {

int run_restore(const Globals& globals, const ops::RestoreRequest& request) {
    Session session(globals);
    const ops::RestoreReport report = ops::restore(session.context(), request);
    if (globals.json)
        print_json({{"target", report.target},
                    {"checkpoint", report.checkpoint},
                    {"path", report.path.string()},
                    {"pid", report.pid},
                    {"lazy", report.lazy},
                    {"running_us", report.running_us},
                    {"total_us", report.total_us},
                    {"warnings", report.warnings}});
    else
        print_text(fmt::format("{} restored from '{}' in {}{}, pid {}\n", report.target, report.checkpoint,
                               human_time(report.total_us),
                               report.lazy ? ", running after " + human_time(report.running_us) : "", report.pid));
    return kOk;
}

}  // namespace

void add_restore(CLI::App& parent, const Globals& globals, Run& run) {
    const auto request = std::make_shared<ops::RestoreRequest>();
    CLI::App& command = *parent.add_subcommand("restore", "Bring a target back as a checkpoint has it");
    command.add_option("TARGET", request->target, "Container or process tree")->required();
    command.add_option("NAME", request->name, "Checkpoint (default: the newest stop state)");
    command.add_option("--dir", request->directory, "Restore the checkpoint that lies in this directory")
        ->type_name("DIR");
    command.add_flag("--replace", request->replace, "Kill the target if it runs, once the checkpoint is verified");
    command.add_flag("--lazy", request->lazy, "Let the target run at once; its memory follows");
    command.add_flag("!--no-verify", request->verify, "Do not read the whole checkpoint to verify it first");
    command
        .add_option("--console-socket", request->console_socket,
                    "Socket that receives the console's other end, as for `runc run`")
        ->type_name("PATH");
    std::vector<std::string> kinds = ops::ignorable_misfits();
    kinds.emplace_back("all");
    command
        .add_option("--ignore-misfit", request->ignored_misfits, "Restore although this does not fit (can be repeated)")
        ->check(CLI::IsMember(kinds))
        ->type_name("KIND")
        ->allow_extra_args(false);
    command.callback(
        [&globals, &run, request] { run = [&globals, request] { return run_restore(globals, *request); }; });
}

}  // namespace stasis
