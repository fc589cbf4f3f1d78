#include "cmd/dump_options.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"

namespace stasis {
namespace {

struct SnapshotOptions {
    ops::DumpRequest request;
    bool explain = false;
};

int run_snapshot(const Globals& globals, const SnapshotOptions& options) {
    Session session(globals);
    const Json result = run_dump(session, globals, options.request, options.explain);
    if (globals.json) print_json(result);
    return kOk;
}

}  // namespace

void add_snapshot(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<SnapshotOptions>();
    CLI::App& command = *parent.add_subcommand("snapshot", "Checkpoint a target that keeps running");
    command
        .add_option("TARGET", options->request.target, "Container or process tree (runc:NAME, pid:N, or a bare name)")
        ->required();
    command.add_option("NAME", options->request.name, "Name of the checkpoint (default: the time in UTC)");
    add_dump_options(command, options->request, options->explain);
    command.callback(
        [&globals, &run, options] { run = [&globals, options] { return run_snapshot(globals, *options); }; });
}

}  // namespace stasis
