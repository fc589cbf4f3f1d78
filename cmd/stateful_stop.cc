#include "cmd/dump_options.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"

namespace stasis {
namespace {

struct StatefulStopOptions {
    ops::DumpRequest request;
    std::vector<std::string> targets;
    bool explain = false;
};

int run_stateful_stop(const Globals& globals, StatefulStopOptions& options) {
    Session session(globals);
    options.request.kind = ops::DumpKind::stop;
    if (options.request.wishes.directory && options.targets.size() > 1)
        throw Error(Kind::usage, "--dir takes one target")
            .hint("stop them one by one, each with a directory of its own");
    Json results = Json::array();
    for (const std::string& target : options.targets) {
        options.request.target = target;
        results.push_back(run_dump(session, globals, options.request, options.explain));
    }
    if (globals.json) print_json(results.size() == 1 ? results.front() : results);
    return kOk;
}

}  // namespace

void add_stateful_stop(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<StatefulStopOptions>();
    CLI::App& command = *parent.add_subcommand("stateful-stop",
                                               "Checkpoint targets and stop them, each once its state is safe on disk");
    command.add_option("TARGET", options->targets, "Containers or process trees, stopped in this order")->required();
    add_dump_options(command, options->request, options->explain);
    command.callback(
        [&globals, &run, options] { run = [&globals, options] { return run_stateful_stop(globals, *options); }; });
}

}  // namespace stasis
