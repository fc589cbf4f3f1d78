#include <fmt/format.h>

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/ops/manage.h"

namespace stasis {
namespace {

struct VerifyOptions {
    std::string target;
    std::optional<std::string> name;
};

int run_verify(const Globals& globals, const VerifyOptions& options) {
    Session session(globals);
    const std::vector<ops::Verdict> verdicts = ops::verify(session.context(), options.target, options.name);
    Json list = Json::array();
    bool all_whole = true;
    std::string text;
    for (const ops::Verdict& verdict : verdicts) {
        const bool whole = verdict.problems.empty();
        all_whole = all_whole && whole;
        list.push_back({{"target", verdict.target},
                        {"checkpoint", verdict.checkpoint},
                        {"whole", whole},
                        {"problems", verdict.problems}});
        text += fmt::format("{} '{}': {}\n", verdict.target, verdict.checkpoint, whole ? "whole" : "DAMAGED");
        for (const std::string& problem : verdict.problems) text += fmt::format("    {}\n", problem);
    }
    if (globals.json)
        print_json({{"checkpoints", list}});
    else
        print_text(text);
    return all_whole ? kOk : kDamaged;
}

}  // namespace

void add_verify(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<VerifyOptions>();
    CLI::App& command = *parent.add_subcommand("verify", "Read checkpoints and compare every file with its checksum");
    command.add_option("TARGET", options->target, "Only those of this target (default: the whole store)");
    command.add_option("NAME", options->name, "Only this checkpoint");
    command.callback(
        [&globals, &run, options] { run = [&globals, options] { return run_verify(globals, *options); }; });
}

}  // namespace stasis
