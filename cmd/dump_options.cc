#include "cmd/dump_options.h"

#include <fmt/format.h>

#include "cmd/output.h"

namespace stasis {
namespace {

Json to_json(const ops::DumpReport& report) {
    Json options = Json::array();
    for (const Option& option : report.options)
        options.push_back({{"key", option.key}, {"value", option.value}, {"reason", option.reason}});
    return {{"target", report.target},
            {"checkpoint", report.checkpoint},
            {"kind", report.kind},
            {"path", report.path.string()},
            {"freeze_us", report.freeze_us},
            {"criu_frozen_us", report.criu_frozen_us},
            {"total_us", report.total_us},
            {"bytes_written", report.bytes_written},
            {"options", options}};
}

std::string to_text(const ops::DumpReport& report) {
    const bool stop = report.kind == "stop";
    return fmt::format("{} {} as '{}': {} {}, {} in all, {} written to {}\n", report.target,
                       stop ? "stopped with its state" : "snapshot", report.checkpoint,
                       stop ? "frozen and sealed in" : "frozen for", human_time(report.freeze_us),
                       human_time(report.total_us), human_bytes(report.bytes_written), report.path.string());
}

}  // namespace

void add_dump_options(CLI::App& command, ops::DumpRequest& request, bool& explain) {
    command.add_option("--dir", request.directory, "Write to this directory, which must not exist, instead of the store")
        ->type_name("DIR");
    command
        .add_option_function<std::string>(
            "--rootfs", [&request](const std::string& mode) { request.keep_rootfs = mode == "auto"; },
            "Keep the root file system with the memory (auto), or leave that to you (none)")
        ->check(CLI::IsMember({"auto", "none"}))
        ->default_str("auto")
        ->type_name("auto|none");
    command.add_flag("--with-volumes", request.with_volumes, "Keep the volumes that are mounted into it as well");
    command.add_flag("--drop-exec", request.drop_exec, "Leave out processes that were started into it with exec");
    command.add_flag("--explain", explain, "Print each CRIU option that was chosen, and why");
}

Json run_dump(Session& session, const Globals& globals, const ops::DumpRequest& request, bool explain) {
    const ops::DumpReport report = ops::dump(session.context(), request);
    if (!globals.json) {
        print_text(to_text(report));
        std::vector<std::vector<std::string>> rows;
        for (const Option& option : report.options)
            rows.push_back({"  --" + option.key + (option.value.empty() ? "" : " " + option.value), option.reason});
        if (explain) print_table(rows);
    }
    return to_json(report);
}

}  // namespace stasis
