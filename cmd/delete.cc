#include <fmt/format.h>

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/ops/manage.h"

namespace stasis {
namespace {

struct DeleteOptions {
    std::string target;
    std::vector<std::string> names;
};

int run_delete(const Globals& globals, const DeleteOptions& options) {
    Session session(globals);
    for (const std::string& name : options.names) ops::remove(session.context(), options.target, name);
    if (globals.json) print_json({{"target", options.target}, {"deleted", options.names}});
    return kOk;
}

}  // namespace

void add_delete(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<DeleteOptions>();
    CLI::App& command = *parent.add_subcommand("delete", "Delete checkpoints and what failed runs left behind");
    command.add_option("TARGET", options->target, "Container or process tree")->required();
    command.add_option("NAME", options->names, "Checkpoints")->required();
    command.callback(
        [&globals, &run, options] { run = [&globals, options] { return run_delete(globals, *options); }; });
}

}  // namespace stasis
