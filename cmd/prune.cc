#include "lib/ops/prune.h"

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"

namespace stasis {
namespace {

struct PruneOptions {
    std::string target;
    ops::KeepRules rules;
    bool dry_run = false;
};

Json to_json(const ops::PruneReport& report, bool dry_run) {
    Json list = Json::array();
    for (const ops::Kept& one : report.checkpoints)
        list.push_back({{"checkpoint", one.checkpoint},
                        {"kind", one.kind},
                        {"created", one.created},
                        {"kept", !one.reasons.empty()},
                        {"reasons", one.reasons}});
    return {{"target", report.target}, {"dry_run", dry_run}, {"checkpoints", list}};
}

std::vector<std::string> to_row(const ops::Kept& checkpoint, bool dry_run) {
    std::string why;
    for (const std::string& reason : checkpoint.reasons) why += (why.empty() ? "" : ", ") + reason;
    const std::string fate = !why.empty() ? "kept" : dry_run ? "would be deleted" : "deleted";
    return {checkpoint.checkpoint, checkpoint.kind, checkpoint.created, fate, why};
}

int run_prune(const Globals& globals, const PruneOptions& options) {
    Session session(globals);
    const ops::PruneReport report = ops::prune(session.context(), options.target, options.rules, options.dry_run);
    if (globals.json) {
        print_json(to_json(report, options.dry_run));
        return kOk;
    }
    std::vector<std::vector<std::string>> rows{{"CHECKPOINT", "KIND", "CREATED", "RESULT", "KEPT BY"}};
    for (const ops::Kept& checkpoint : report.checkpoints) rows.push_back(to_row(checkpoint, options.dry_run));
    print_table(rows);
    return kOk;
}

}  // namespace

void add_prune(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<PruneOptions>();
    CLI::App& command = *parent.add_subcommand("prune", "Delete old checkpoints of a target, and keep some by rules");
    command.add_option("TARGET", options->target, "Container or process tree")->required();
    const auto add_rule = [&command](const char* name, unsigned& number, const char* what) {
        command.add_option(name, number, what)->type_name("N")->check(CLI::Range(0U, 1'000'000U));
    };
    add_rule("--keep-last", options->rules.last, "Keep the last N");
    add_rule("--keep-hourly", options->rules.hourly, "Keep the last one of each of the last N hours that have one");
    add_rule("--keep-daily", options->rules.daily, "The same for days");
    add_rule("--keep-weekly", options->rules.weekly, "The same for weeks");
    add_rule("--keep-monthly", options->rules.monthly, "The same for months");
    command.add_flag("--dry-run", options->dry_run, "Say what would be deleted, and delete nothing");
    command.callback([&globals, &run, options] { run = [&globals, options] { return run_prune(globals, *options); }; });
}

}  // namespace stasis
