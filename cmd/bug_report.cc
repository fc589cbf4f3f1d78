#include <fmt/format.h>

#include "cmd/documents.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/base/redact.h"
#include "lib/base/version.h"
#include "lib/ops/bug_report.h"
#include "lib/sys/archive.h"

namespace stasis {
namespace {

struct BugReportOptions {
    std::string target;
    std::optional<std::string> checkpoint;
    std::optional<ops::Path> output;
    bool no_redact = false;
};

constexpr const char* kSuffix = ".tar.zst";

std::string to_document(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// A CRIU that hangs in the self-test must not keep the rest from being reported.
Json check_briefly(Globals globals, const std::string& target) {
    constexpr double kLongestSeconds = 30;
    globals.timeout_seconds = std::min(globals.timeout_seconds.value_or(kLongestSeconds), kLongestSeconds);
    Session session(globals);
    return check_document(session.context(), target);
}

/// What other commands print with --json.
std::vector<Evidence> documents(const Globals& globals, ops::Context& context, const ops::Subject& subject) {
    std::vector<Evidence> rows;
    const auto add = [&rows](const std::string& name, const std::function<Json()>& make) {
        rows.push_back({name, [make] { return to_document(make()); }, EvidenceFormat::json});
    };
    const std::string target = subject.target ? subject.target->text() : "";
    add("host/check.json", [&globals] { return check_briefly(globals, ""); });
    add("checkpoints.json", [&context, target] { return list_document(context, target); });
    if (!subject.target) return rows;
    add("target/check.json", [&globals, target] { return check_briefly(globals, target); });
    if (subject.checkpoint)
        add("checkpoint/info.json",
            [&context, target, name = *subject.checkpoint] { return info_document(context, target, name); });
    return rows;
}

/// The words that started us.
Json command_line(bool redact) {
    const std::string text = sys::read_file("/proc/self/cmdline");
    Json words = Json::array();
    for (std::size_t at = 0; at < text.size(); at = text.find('\0', at) + 1) words.push_back(text.c_str() + at);
    return redact ? redact_json(words) : words;
}

Json to_json(const std::vector<ops::Item>& items, const BugReportOptions& options, const ops::Path& path) {
    Json entries = Json::array();
    Json missing = Json::array();
    for (const ops::Item& item : items)
        if (item.problem.empty())
            entries.push_back({{"name", item.name}, {"bytes", item.content.size()}});
        else
            missing.push_back({{"name", item.name}, {"reason", item.problem}});
    return {{"path", path.string()}, {"stasis", kVersion}, {"command", command_line(!options.no_redact)},
            {"created", utc_now()},  {"entries", entries}, {"missing", missing}};
}

std::string to_text(const Json& report) {
    std::string text;
    for (const Json& entry : report["entries"])
        text += fmt::format("{:>10}  {}\n", human_bytes(entry["bytes"].get<std::size_t>()),
                            entry["name"].get<std::string>());
    for (const Json& entry : report["missing"])
        text += fmt::format("{:>10}  {}: {}\n", "missing", entry["name"].get<std::string>(),
                            entry["reason"].get<std::string>());
    return text + report["path"].get<std::string>() + "\n";
}

/// The archive's own folder: its name without the suffix.
std::string folder_in(const ops::Path& path) {
    const std::string name = path.filename();
    return name.ends_with(kSuffix) ? name.substr(0, name.size() - std::string(kSuffix).size()) : name;
}

int run_bug_report(const Globals& globals, const BugReportOptions& options) {
    Session session(globals);
    ops::Context& context = session.context();
    const ops::Path path = options.output.value_or("stasis-bug-report-" + utc_stamp() + kSuffix);
    sys::Archive archive(path);

    const ops::Subject subject = ops::find_subject(context, options.target, options.checkpoint);
    if (!subject.problem.empty()) context.progress.warn(subject.problem);
    std::vector<Evidence> rows = documents(globals, context, subject);
    for (Evidence& row : ops::evidence(context, subject)) rows.push_back(std::move(row));
    context.progress.step("collecting what there is to tell");
    const std::vector<ops::Item> items = ops::collect(rows, !options.no_redact, context.interrupts);

    const Json report = to_json(items, options, path);
    const std::string folder = folder_in(path) + "/";
    archive.add(folder + "report.json", to_document(report));
    for (const ops::Item& item : items)
        if (item.problem.empty()) archive.add(folder + item.name, item.content);
    archive.finish();
    if (globals.json)
        print_json(report);
    else
        print_text(to_text(report));
    return kOk;
}

}  // namespace

void add_bug_report(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<BugReportOptions>();
    CLI::App& command =
        *parent.add_subcommand("bug-report", "Pack what a report of a problem needs, without memory and secrets");
    command.add_option("TARGET", options->target, "Container or process tree that it is about");
    command.add_option("CHECKPOINT", options->checkpoint, "Checkpoint (default: the newest)");
    command
        .add_option("--output", options->output, "The archive to write (default: named after the time, in this folder)")
        ->type_name("FILE");
    command.add_flag("--no-redact", options->no_redact, "Leave secrets and environment variables in");
    command.callback(
        [&globals, &run, options] { run = [&globals, options] { return run_bug_report(globals, *options); }; });
}

}  // namespace stasis
