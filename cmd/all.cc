#include "cmd/all.h"

#include <algorithm>
#include <csignal>

#include <fmt/format.h>

#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/ops/order.h"

namespace stasis {
namespace {

using ops::Outcome;

constexpr const char* kGroup = "Options of --all";

/// The word for an outcome; what is done is `what`.
std::string word(Outcome outcome, const std::string& what) {
    switch (outcome) {
        case Outcome::done: return what;
        case Outcome::skipped: return "skipped";
        case Outcome::failed: return "failed";
        case Outcome::untouched: return "untouched";
    }
    return "";
}

Json to_json(const ops::TargetResult& result, const std::string& what) {
    Json json{{"target", result.target}, {"outcome", word(result.outcome, what)}};
    if (result.document.is_object()) json.update(result.document);
    if (!result.reason.empty()) json.update({{"reason", result.reason}});
    if (result.error) json.update({{"error", stasis::to_json(*result.error)}});
    return json;
}

/// Microseconds of a run's document as text.
std::string time_of(const ops::TargetResult& result, const char* key) {
    return result.document.is_object() && result.document.contains(key) ? human_time(result.document.at(key)) : "-";
}

std::vector<std::string> to_row(const ops::TargetResult& result, const std::string& what, bool stop) {
    std::vector<std::string> row{result.target, word(result.outcome, what)};
    const bool has_document = result.document.is_object();
    if (stop) row.push_back(time_of(result, "freeze_us"));
    row.push_back(time_of(result, "total_us"));
    if (stop)
        row.push_back(has_document ? human_bytes(result.document.value("bytes_written", 0ULL)) : "-");
    else
        row.push_back(has_document ? human_span(result.document.value("away_us", 0LL)) : "-");
    row.push_back(has_document   ? result.document.value("checkpoint", "")
                  : result.error ? result.error->message()
                                 : result.reason);
    return row;
}

/// Everything that a failure says, below the name of its target.
void append(std::vector<std::string>& lines, const ops::TargetResult& result) {
    const Error& error = *result.error;
    lines.push_back(result.target + ": " + error.message());
    for (const std::string& detail : error.details()) lines.push_back("    " + detail);
    if (!error.cause().empty()) lines.push_back("    cause: " + error.cause());
    if (!error.hint().empty()) lines.push_back("    → " + error.hint());
    if (!error.log().empty()) lines.push_back("    log: " + error.log());
}

/// A dump's warnings have ids, a restore's are sentences.
void pass_on_warnings(Progress& progress, const ops::TargetResult& result) {
    if (!result.document.is_object()) return;
    for (const Json& warning : result.document.value("warnings", Json::array()))
        progress.warn(result.target + ": " +
                      (warning.is_object() ? warning.value("text", "") : warning.get<std::string>()));
}

}  // namespace

void add_all_options(CLI::App& command, ops::AllRequest& request, bool& all) {
    CLI::Option* flag = command.add_flag("--all", all, "All containers that the runtimes of this host know");
    CLI::Option* runtime = command.add_option("--runtime", request.runtime, "Only those of this runtime");
    CLI::Option* exclude = command.add_option("--exclude", request.excluded, "Not this one (can be repeated)")
                               ->type_name("TARGET")
                               ->allow_extra_args(false);
    CLI::Option* only = command.add_option("--only", request.only, "This one, and others that are named so")
                            ->type_name("TARGET")
                            ->allow_extra_args(false);
    CLI::Option* order = command
                             .add_option("--order", request.order_file,
                                         fmt::format("The order, one target a line: stopped from top to bottom, "
                                                     "restored the other way round (default: {}, if it is there)",
                                                     ops::Order::kDefaultFile))
                             ->type_name("FILE")
                             ->check(CLI::ExistingFile);
    CLI::Option* jobs =
        command.add_option("--jobs", request.jobs, "So many at once (default: by processors and memory)")
            ->check(CLI::Range(1, 1000));
    flag->group(kGroup);
    for (CLI::Option* option : {runtime, exclude, only, order, jobs}) option->needs(flag)->group(kGroup);
}

std::vector<std::string> command_for_one(const Globals& globals, const CLI::App& command) {
    std::vector<std::string> words{sys::own_path(),
                                   "--json",
                                   "--quiet",
                                   "--store=" + sys::Path(std::filesystem::absolute(globals.store)).string(),
                                   "--runc-root=" + sys::Path(std::filesystem::absolute(globals.runc_root)).string(),
                                   "--crun-root=" + sys::Path(std::filesystem::absolute(globals.crun_root)).string(),
                                   command.get_name()};
    if (globals.lxc_path)
        words.push_back("--lxc-path=" + sys::Path(std::filesystem::absolute(*globals.lxc_path)).string());
    for (const CLI::Option* option : command.get_options()) {
        if (option->count() == 0 || option->get_positional() || option->get_group() != "Options") continue;
        const std::string name = "--" + option->get_lnames().front();
        if (option->get_items_expected_max() == 0)
            words.push_back(name);
        else
            for (const std::string& value : option->results()) words.push_back(name + "=" + value);
    }
    return words;
}

Error error_of(const sys::RunResult& ended) {
    const sys::WaitStatus& status = ended.status;
    if (!status.exit_code && !status.signal) return {Kind::failed, ended.err};
    // Signals wait from the first step of a run on: one that ends it has come before.
    if (status.signal == SIGTERM) return Error(Kind::interrupted, "interrupted before it began").signal(SIGTERM);
    const std::string text = ended.err.substr(0, ended.err.find_last_not_of('\n') + 1);
    const Json json = Json::parse(text.substr(text.find_last_of('\n') + 1), nullptr, false);
    if (!status.exit_code || !json.is_object())
        return Error(Kind::target_changed, "its run of stasis ended with " + status.describe() +
                                               ", and can't say how "
                                               "the target is: look at it")
            .details({text});
    Error error(kind_of(*status.exit_code), json.value("message", ""));
    error.details(json.value("details", std::vector<std::string>()))
        .cause(json.value("cause", ""))
        .hint(json.value("hint", ""))
        .log(json.value("log", ""))
        .transient(json.value("transient", false));
    if (error.kind() == Kind::interrupted) error.signal(*status.exit_code == kInterrupted ? SIGINT : SIGTERM);
    return error;
}

void report_all(Session& session, const Globals& globals, const std::vector<ops::TargetResult>& results,
                const std::string& what) {
    const bool stop = what == "stopped";
    if (globals.json) {
        Json list = Json::array();
        for (const ops::TargetResult& result : results) list.push_back(to_json(result, what));
        print_json(list);
    } else if (!results.empty()) {
        std::vector<std::vector<std::string>> rows{
            stop ? std::vector<std::string>{"TARGET", "RESULT", "FROZEN", "IN ALL", "WRITTEN", "CHECKPOINT, OR WHY NOT"}
                 : std::vector<std::string>{"TARGET", "RESULT", "IN ALL", "AWAY FOR", "CHECKPOINT, OR WHY NOT"}};
        for (const ops::TargetResult& result : results) rows.push_back(to_row(result, what, stop));
        print_table(rows);
    }
    for (const ops::TargetResult& result : results) pass_on_warnings(session.context().progress, result);
    std::size_t missed = 0;
    bool changed = false;
    std::vector<std::string> lines;
    for (const ops::TargetResult& result : results) {
        missed += result.outcome == Outcome::failed || result.outcome == Outcome::untouched ? 1 : 0;
        changed = changed || (result.error && result.error->kind() == Kind::target_changed);
        if (result.error) append(lines, result);
    }
    if (missed == 0) return;
    if (!changed && session.context().interrupts.pending()) session.context().interrupts.check();
    throw Error(changed ? Kind::target_changed : Kind::failed,
                fmt::format("{} of {} target{} {} not {}", missed, results.size(), results.size() == 1 ? "" : "s",
                            missed == 1 ? "was" : "were", what))
        .details(lines);
}

}  // namespace stasis
