#include "cmd/check.h"

#include <algorithm>

#include <fmt/format.h>

#include "cmd/destination_options.h"
#include "cmd/documents.h"
#include "cmd/dump_options.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/ops/check.h"
#include "lib/ops/host_check.h"
#include "lib/ops/kernel_check.h"

namespace stasis {
namespace {

Json to_json(const ops::Finding& finding) {
    return {{"what", finding.what},
            {"ok", finding.ok},
            {"required", finding.required},
            {"detail", finding.detail},
            {"remedy", finding.ok ? "" : finding.remedy}};
}

bool is_fine(const std::vector<ops::Finding>& findings) {
    return std::none_of(findings.begin(), findings.end(),
                        [](const ops::Finding& finding) { return finding.required && !finding.ok; });
}

Json to_json(const std::vector<ops::Finding>& findings) {
    Json list = Json::array();
    for (const ops::Finding& finding : findings) list.push_back(to_json(finding));
    return {{"ok", is_fine(findings)}, {"findings", list}};
}

int check_host(const Globals& globals) {
    Session session(globals);
    const std::vector<ops::Finding> findings = ops::check_host(session.context());
    if (globals.json) {
        print_json(to_json(findings));
    } else {
        std::vector<std::vector<std::string>> rows;
        for (const ops::Finding& finding : findings) {
            rows.push_back({finding.ok ? "ok" : finding.required ? "FAIL" : "missing", finding.what, finding.detail});
            if (!finding.ok) rows.push_back({"", "", "→ " + finding.remedy});
        }
        print_table(rows);
    }
    return is_fine(findings) ? kOk : kPrecondition;
}

Json to_json(const ops::TargetCheck& check) {
    Json blockers = Json::array();
    for (const inspect::Blocker& blocker : check.found.seen.blockers)
        blockers.push_back({{"id", blocker.id}, {"cause", blocker.cause}, {"remedy", blocker.remedy}});
    return {{"target", check.target},
            {"ok", blockers.empty()},
            {"tasks", check.found.seen.tasks.size()},
            {"memory_bytes", check.found.seen.memory_bytes},
            {"tmpfs_bytes", check.found.seen.tmpfs_bytes},
            {"look_us", check.look_us},
            {"blockers", blockers},
            {"warnings", stasis::to_json(check.found.seen.warnings)},
            {"options", stasis::to_json(check.found.options)}};
}

void print_check(const ops::TargetCheck& check, bool explain) {
    const inspect::Look& seen = check.found.seen;
    const std::string size =
        fmt::format("pid {}, {} task{}, {} of memory", check.found.described.init.pid, seen.tasks.size(),
                    seen.tasks.size() == 1 ? "" : "s", human_bytes(seen.memory_bytes));
    if (seen.blockers.empty())
        print_text(fmt::format("{} can be dumped: {}\n", check.target, size));
    else
        print_text(fmt::format("{} can't be dumped, for {} reason{}: {}\n", check.target, seen.blockers.size(),
                               seen.blockers.size() == 1 ? "" : "s", size));
    for (const inspect::Blocker& blocker : seen.blockers)
        print_text(fmt::format("  {}: {}\n    → {}\n", blocker.id, blocker.cause, blocker.remedy));
    for (const inspect::Warning& warning : seen.warnings) print_text(fmt::format("  warning: {}\n", warning.text));
    if (explain) print_table(rows_of(check.found.options));
}

Json to_json(const ops::HostCheck& check) {
    Json problems = Json::array();
    for (const ops::HostCheck::Problem& problem : check.problems)
        problems.push_back({{"what", problem.what}, {"remedy", problem.remedy}});
    return {{"stasis", check.stasis}, {"criu", check.criu}, {"problems", problems}, {"warnings", check.warnings}};
}

void print_other_host(const std::string& host, const ops::HostCheck& check) {
    const std::string versions =
        check.stasis.empty() ? "" : fmt::format(": stasis {}, CRIU {}", check.stasis, check.criu);
    print_text(fmt::format("it {} be moved to {}{}\n", check.problems.empty() ? "can" : "can't", host, versions));
    for (const ops::HostCheck::Problem& problem : check.problems)
        print_text(fmt::format("  {}\n{}", problem.what,
                               problem.remedy.empty() ? "" : fmt::format("    → {}\n", problem.remedy)));
    for (const std::string& warning : check.warnings) print_text(fmt::format("  warning: {}\n", warning));
}

Json to_json(const ops::KernelCheck& check) {
    Json problems = Json::array();
    for (const ops::KernelCheck::Problem& problem : check.problems)
        problems.push_back({{"what", problem.what}, {"remedy", problem.remedy}, {"targets", problem.targets}});
    return {{"kernel", check.kernel}, {"config", check.config}, {"criu", check.criu},        {"targets", check.targets},
            {"ok", problems.empty()}, {"problems", problems},   {"warnings", check.warnings}};
}

void print_kernel_check(const ops::KernelCheck& check) {
    const std::string what =
        check.targets.empty() ? "nothing runs now, and" : fmt::format("{}:", fmt::join(check.targets, ", "));
    print_text(fmt::format("{} with CRIU {} {}\n", what, check.criu,
                           check.problems.empty() ? "nothing is known that is in the way under Linux " + check.kernel
                                                  : "this is in the way under Linux " + check.kernel + ":"));
    for (const ops::KernelCheck::Problem& problem : check.problems)
        print_text(fmt::format("  {}{}\n{}", problem.what,
                               problem.targets.empty() ? "" : fmt::format(" ({})", fmt::join(problem.targets, ", ")),
                               problem.remedy.empty() ? "" : fmt::format("    → {}\n", problem.remedy)));
    for (const std::string& warning : check.warnings) print_text(fmt::format("  warning: {}\n", warning));
}

int check_for_kernel(const Globals& globals, const std::string& kernel, const std::string& target) {
    Session session(globals);
    const ops::KernelCheck check = ops::check_for_kernel(session.context(), kernel, target);
    if (globals.json)
        print_json(to_json(check));
    else
        print_kernel_check(check);
    return check.problems.empty() ? kOk : kFailed;
}

int check_all(const Globals& globals, const CheckOptions& options) {
    Session session(globals);
    ops::Wishes wishes = options.wishes;
    wishes.keeps_running = !options.stop;
    const std::vector<ops::OneOfAll> all = ops::check_all(session.context(), wishes);
    Json targets = Json::array();
    for (const ops::OneOfAll& one : all) {
        if (globals.json)
            targets.push_back(one.check ? to_json(*one.check)
                                        : Json{{"target", one.target}, {"ok", false}, {"error", to_json(*one.error)}});
        else if (one.check)
            print_check(*one.check, options.explain);
        else
            print_text(
                fmt::format("{} can't be dumped: {}\n    → {}\n", one.target, one.error->message(), one.error->hint()));
    }
    const bool ok = std::all_of(all.begin(), all.end(), [](const ops::OneOfAll& one) { return one.ok(); });
    if (globals.json) print_json({{"ok", ok}, {"targets", targets}});
    if (!globals.json && all.empty()) print_text("no container runs\n");
    return ok ? kOk : kFailed;
}

}  // namespace

int check_target(const Globals& globals, CheckOptions& options) {
    Session session(globals);
    const bool moves = !options.to.host.empty();
    options.wishes.keeps_running = !options.stop && !moves;
    options.wishes.leaves_host = moves;
    const ops::TargetCheck check = ops::check_target(session.context(), options.target, options.wishes);
    std::optional<ops::HostCheck> there;
    if (moves) there = ops::check_other_host(session.context(), options.target, check.found, options.to, options.files);
    const bool ok = check.found.seen.blockers.empty() && (!there || there->problems.empty());
    if (globals.json) {
        Json document = to_json(check);
        document["ok"] = ok;
        if (there) document.push_back({"other_host", to_json(*there)});
        print_json(document);
    } else {
        print_check(check, options.explain);
        if (there) print_other_host(options.to.host, *there);
    }
    return ok ? kOk : kFailed;
}

Json check_document(ops::Context& context, const std::string& target) {
    return target.empty() ? to_json(ops::check_host(context)) : to_json(ops::check_target(context, target, {}));
}

void add_check(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<CheckOptions>();
    CLI::App& command = *parent.add_subcommand(
        "check", "Can this host, or this target, be dumped and restored? Freezes nothing of yours");
    CLI::Option& target =
        *command.add_option("TARGET", options->target, "Container or process tree (default: the host)");
    command.add_flag("--all", options->all, "All containers that run on this host")->excludes(&target);
    add_wishes(command, options->wishes);
    command.add_flag("--stop", options->stop, "Look as stateful-stop does, rather than snapshot");
    command.add_flag("--explain", options->explain, "Print each CRIU option that would be chosen, and why");
    CLI::Option& host = *command.add_option("--host", options->to.host, "Can it be moved there? As move-to-host looks")
                             ->type_name("[USER@]HOST");
    command
        .add_option("--for-kernel", options->kernel,
                    "Will it, or all that runs, come back under this kernel? A version, a package or a configuration")
        ->type_name("KERNEL")
        ->excludes(&host);
    for (CLI::Option* how : add_destination(command, options->to)) how->needs(&host);
    command.callback([&globals, &run, options] {
        run = [&globals, options] {
            if (!options->kernel.empty()) return check_for_kernel(globals, options->kernel, options->target);
            if (options->all) return check_all(globals, *options);
            if (!options->target.empty()) return check_target(globals, *options);
            if (!options->to.host.empty()) throw Error(Kind::usage, "--host needs a TARGET: what is to be moved there");
            return check_host(globals);
        };
    });
}

}  // namespace stasis
