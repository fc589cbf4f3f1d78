#include "lib/ops/move.h"

#include <fmt/format.h>

#include "cmd/destination_options.h"
#include "cmd/dump_options.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"

namespace stasis {
namespace {

Json to_json(const std::vector<ops::MemoryAhead::Round>& rounds) {
    Json result = Json::array();
    for (const ops::MemoryAhead::Round& round : rounds)
        result.push_back({{"bytes_sent", round.bytes}, {"us", round.took_us}});
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
            {"bytes_sent", report.bytes_sent},
            {"bytes_sent_frozen", report.bytes_sent_frozen},
            {"options", stasis::to_json(report.options)},
            {"warnings", report.warnings}};
}

int run_move(const Globals& globals, const ops::MoveRequest& request) {
    Session session(globals);
    const ops::MoveReport report = ops::move_to_host(session.context(), request);
    if (globals.json)
        print_json(to_json(report));
    else
        print_text(fmt::format(
            "{} moved to {}: down for {}{}, {} in all, {} sent, pid {} there\n", report.target, report.host,
            human_time(report.downtime_us),
            report.lazy && report.loaded_us ? ", all its memory in after " + human_time(*report.loaded_us) : "",
            human_time(report.total_us), human_bytes(report.bytes_sent), report.pid));
    return kOk;
}

}  // namespace

void add_move_to_host(CLI::App& parent, const Globals& globals, Run& run) {
    const auto request = std::make_shared<ops::MoveRequest>();
    CLI::App& command = *parent.add_subcommand("move-to-host", "Move a running container to another host over ssh");
    command.add_option("TARGET", request->target, "Container")->required();
    command.add_option("HOST", request->to.host, "[USER@]HOST, as ssh understands it")->required();
    command
        .add_option_function<std::string>(
            "--mode", [request](const std::string& text) { request->mode = ops::move_mode_from(text); },
            "How: with the memory sent while it stands still (stop-copy), or while it runs, and then what has changed "
            "(pre-copy); or what suits (auto)")
        ->default_str("auto")
        ->type_name("auto|stop-copy|pre-copy");
    command
        .add_option_function<long>(
            "--max-downtime", [request](long ms) { request->max_downtime = std::chrono::milliseconds(ms); },
            "Copy memory ahead until it would stand still for no longer, as far as can be told")
        ->check(CLI::Range(1L, 3'600'000L))
        ->default_str("300")
        ->type_name("MILLISECONDS");
    add_destination(command, request->to);
    add_move_wishes(command, request->wishes);
    command.callback([&globals, &run, request] { run = [&globals, request] { return run_move(globals, *request); }; });
}

}  // namespace stasis
