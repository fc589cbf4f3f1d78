#include "cmd/all.h"
#include "cmd/dump_options.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"

namespace stasis {
namespace {

struct StatefulStopOptions {
    ops::DumpRequest request;
    ops::AllRequest all;
    bool is_all = false;
    bool explain = false;
};

int stop_one(const Globals& globals, StatefulStopOptions& options) {
    Session session(globals);
    options.request.target = options.all.targets.front();
    const Json result = run_dump(session, globals, options.request, options.explain);
    if (globals.json) print_json(result);
    return kOk;
}

int stop_several(const Globals& globals, StatefulStopOptions& options, const CLI::App& command) {
    if (options.is_all && !options.all.targets.empty())
        throw Error(Kind::usage, "--all takes no targets")
            .hint("leave some out with --exclude, or name those you mean");
    if (options.request.wishes.directory)
        throw Error(Kind::usage, "--dir takes one target")
            .hint("stop them one by one, each with a directory of its own");
    Session session(globals);
    options.all.wishes = options.request.wishes;
    options.all.ignore_blockers = options.request.ignore_blockers;
    options.all.command = command_for_one(globals, command);
    if (options.is_all) options.all.command.emplace_back("--restored-with-all");
    options.all.error_of = error_of;
    if (!options.request.buffer) options.all.memory_option = "--buffer";
    report_all(session, globals, ops::stop_all(session.context(), options.all), "stopped");
    return kOk;
}

}  // namespace

void add_stateful_stop(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<StatefulStopOptions>();
    options->request.kind = ops::DumpKind::stop;
    options->request.wishes.keeps_running = false;
    CLI::App& command = *parent.add_subcommand("stateful-stop",
                                               "Checkpoint targets and stop them, each once its state is safe on disk");
    command.add_option("TARGET", options->all.targets, "Containers or process trees, stopped in this order");
    add_dump_options(command, options->request, options->explain);
    command.add_flag("--keep-going", options->all.keep_going, "Stop the others although one of them can't be stopped")
        ->group("Options");
    add_all_options(command, options->all, options->is_all);
    // What a run for all targets says to those that it starts.
    command.add_flag("--restored-with-all", options->request.restored_with_all)->group("");
    command.callback([&globals, &run, &command, options] {
        if (!options->is_all && options->all.targets.empty()) throw CLI::RequiredError("TARGET or --all");
        run = [&globals, &command, options] {
            return options->is_all || options->all.targets.size() > 1 ? stop_several(globals, *options, command)
                                                                      : stop_one(globals, *options);
        };
    });
}

}  // namespace stasis
