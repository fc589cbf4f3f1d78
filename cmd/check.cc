#include "lib/ops/check.h"

#include <algorithm>

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"

namespace stasis {
namespace {

Json to_json(const ops::Finding& finding) {
    return {{"what", finding.what},
            {"ok", finding.ok},
            {"required", finding.required},
            {"detail", finding.detail},
            {"remedy", finding.ok ? "" : finding.remedy}};
}

int run_check(const Globals& globals, const std::string& target) {
    Session session(globals);
    const std::vector<ops::Finding> findings =
        target.empty() ? ops::check_host(session.context()) : ops::check_target(session.context(), target);
    const bool can = std::none_of(findings.begin(), findings.end(),
                                  [](const ops::Finding& finding) { return finding.required && !finding.ok; });
    if (globals.json) {
        Json list = Json::array();
        for (const ops::Finding& finding : findings) list.push_back(to_json(finding));
        print_json({{"ok", can}, {"findings", list}});
    } else {
        std::vector<std::vector<std::string>> rows;
        for (const ops::Finding& finding : findings) {
            rows.push_back({finding.ok ? "ok" : finding.required ? "FAIL" : "missing", finding.what, finding.detail});
            if (!finding.ok) rows.push_back({"", "", "→ " + finding.remedy});
        }
        print_table(rows);
    }
    if (can) return kOk;
    return target.empty() ? kPrecondition : kFailed;
}

}  // namespace

void add_check(CLI::App& parent, const Globals& globals, Run& run) {
    const auto target = std::make_shared<std::string>();
    CLI::App& command =
        *parent.add_subcommand("check", "Can this host, or this target, be dumped and restored? Freezes nothing of yours");
    command.add_option("TARGET", *target, "Container or process tree (default: the host)");
    command.callback([&globals, &run, target] { run = [&globals, target] { return run_check(globals, *target); }; });
}

}  // namespace stasis
