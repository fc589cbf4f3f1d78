#include "lib/ops/move.h"
#include "lib/ops/move_end.h"

#include <fmt/format.h>

#include "cmd/check.h"
#include "cmd/destination_options.h"
#include "cmd/dump_options.h"
#include "cmd/exit_code.h"
#include "cmd/hook_options.h"
#include "cmd/output.h"

namespace stasis {
namespace {

Json to_json(const std::vector<ops::MemoryAhead::Round>& rounds) {
    Json result = Json::array();
    for (const ops::MemoryAhead::Round& round : rounds)
        result.push_back({{"bytes_sent", round.bytes}, {"us", round.took_us}});
    return result;
}

Json to_json(const std::vector<ops::Phases::Phase>& phases) {
    Json result = Json::array();
    for (const ops::Phases::Phase& phase : phases) result.push_back({{"name", phase.name}, {"us", phase.took_us}});
    return result;
}

Json to_json(const ops::MoveReport& report) {
    return {{"target", report.target},
            {"host", report.host},
            {"mode", report.mode},
            {"pid", report.pid},
            {"downtime_us", report.downtime_us},
            {"lazy", report.lazy},
            {"loaded_us", report.loaded_us ? Json(*report.loaded_us) : Json()},
            {"total_us", report.total_us},
            {"rounds", to_json(report.rounds)},
            {"phases", to_json(report.phases)},
            {"bytes_sent", report.bytes_sent},
            {"bytes_sent_frozen", report.bytes_sent_frozen},
            {"options", stasis::to_json(report.options)},
            {"warnings", report.warnings}};
}

std::string in_phases(const std::vector<ops::Phases::Phase>& phases) {
    std::string text;
    for (const ops::Phases::Phase& phase : phases)
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", phase.name, human_time(phase.took_us));
    return text;
}

int run_move(const Globals& globals, const ops::MoveRequest& request) {
    Session session(globals);
    const ops::MoveReport report = ops::move_to_host(session.context(), request);
    if (globals.json)
        print_json(to_json(report));
    else
        print_text(fmt::format(
            "{} moved to {}: down for {}{}, {} in all, {} sent, {} of it while it was down, pid {} there\n{}\n",
            report.target, report.host, human_time(report.downtime_us),
            report.lazy && report.loaded_us ? ", all its memory in after " + human_time(*report.loaded_us) : "",
            human_time(report.total_us), human_bytes(report.bytes_sent), human_bytes(report.bytes_sent_frozen),
            report.pid, in_phases(report.phases)));
    return kOk;
}

int run_recover(const Globals& globals, const ops::RecoverRequest& request) {
    Session session(globals);
    const ops::RecoverReport report = ops::recover_move(session.context(), request);
    for (const std::string& warning : report.warnings) session.context().progress.warn(warning);
    if (globals.json)
        print_json(
            {{"target", report.target}, {"where", report.where}, {"what", report.what}, {"warnings", report.warnings}});
    else
        print_text(fmt::format("{} is {}: {}\n", report.target, report.where, report.what));
    return kOk;
}

struct MoveOptions {
    ops::MoveRequest request;
    ops::Hooks remote_hooks;
    bool dry_run = false;
    bool recover = false;
};

/// The hooks of the other host are arguments of the stasis there.
void pass_on(const std::string& option, const ops::Hook& hook, std::vector<std::string>& words) {
    std::string command;
    for (const std::string& word : hook) command += (command.empty() ? "" : " ") + move::quoted(word);
    if (!hook.empty()) words.insert(words.end(), {option, command});
}

int run(const Globals& globals, MoveOptions& options) {
    ops::MoveRequest& request = options.request;
    if (options.recover) return run_recover(globals, {request.target, request.to, request.keep_source});
    if (request.to.host.empty()) throw Error(Kind::usage, "HOST is missing: where it is to be moved to");
    if (options.dry_run) {
        CheckOptions check;
        check.target = request.target;
        check.to = request.to;
        check.files = request.files;
        check.wishes = request.wishes;
        return check_target(globals, check);
    }
    pass_on("--pre-hook", options.remote_hooks.before, request.to.receive_options);
    pass_on("--post-hook", options.remote_hooks.after, request.to.receive_options);
    return run_move(globals, request);
}

}  // namespace

void add_move_to_host(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<MoveOptions>();
    ops::MoveRequest* request = &options->request;
    CLI::App& command = *parent.add_subcommand("move-to-host", "Move a running container to another host over ssh");
    command.add_option("TARGET", request->target, "Container")->required();
    command.add_option("HOST", request->to.host, "[USER@]HOST, as ssh understands it");
    command
        .add_option_function<std::string>(
            "--mode", [request](const std::string& text) { request->mode = ops::move_mode_from(text); },
            "How: with the memory sent while it stands still (stop-copy); while it runs, and then what has changed "
            "(pre-copy); when it runs there already, at a risk (post-copy); or by whichever of the first two suits "
            "(auto)")
        ->default_str("auto")
        ->type_name("auto|stop-copy|pre-copy|post-copy");
    command
        .add_option_function<long>(
            "--max-downtime", [request](long ms) { request->max_downtime = std::chrono::milliseconds(ms); },
            "Copy memory ahead until it would stand still for no longer, as far as can be told")
        ->check(CLI::Range(1L, 3'600'000L))
        ->default_str("300")
        ->type_name("MILLISECONDS");
    command.add_option("--bwlimit", request->bytes_per_second, "Send no more a second, until the container is frozen")
        ->transform(CLI::AsSizeValue(false))
        ->type_name("SIZE");
    command.add_flag("--compress", request->compress, "Compress what is sent, for slow links");
    CLI::Option& volumes = *command.add_flag("--with-volumes", request->files.volumes,
                                             "Send the volumes that are mounted into it as well");
    command.add_flag("--shared-storage", request->files.shared, "Send no files: both hosts have the same ones")
        ->excludes(&volumes);
    add_hooks(command, "", request->hooks.before, request->hooks.after);
    add_hooks(command, "remote-", options->remote_hooks.before, options->remote_hooks.after);
    command.add_flag("--keep-source", request->keep_source,
                     "Keep its stop state here, and what its runtime knows of it, as well as its files");
    CLI::Option& dry_run =
        *command.add_flag("--dry-run", options->dry_run, "Only say what is in the way, as check --host does");
    command.add_flag("--recover", options->recover, "Settle a move that was interrupted, instead of moving")
        ->excludes(&dry_run);
    add_destination(command, request->to);
    add_move_wishes(command, request->wishes);
    command.callback(
        [&globals, &run, options] { run = [&globals, options] { return stasis::run(globals, *options); }; });
}

}  // namespace stasis
