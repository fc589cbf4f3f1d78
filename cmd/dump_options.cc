#include "cmd/dump_options.h"

#include <fmt/format.h>

#include "cmd/output.h"
#include "lib/criu/options.h"

namespace stasis {
namespace {

Json report_json(const ops::DumpReport& report) {
    return {{"target", report.target},
            {"checkpoint", report.checkpoint},
            {"kind", report.kind},
            {"path", report.path.string()},
            {"freeze_us", report.freeze_us},
            {"criu_frozen_us", report.criu_frozen_us},
            {"total_us", report.total_us},
            {"bytes_written", report.bytes_written},
            {"ahead_bytes", report.ahead_bytes},
            {"buffer_bytes", report.buffer_bytes},
            {"parent", report.parent},
            {"options", to_json(report.options)},
            {"warnings", to_json(report.warnings)}};
}

std::string to_text(const ops::DumpReport& report) {
    const bool stop = report.kind == "stop";
    return fmt::format("{} {} as '{}': {} {}, {} in all, {} written to {}\n", report.target,
                       stop ? "stopped with its state" : "snapshot", report.checkpoint,
                       stop ? "frozen and sealed in" : "frozen for", human_time(report.freeze_us),
                       human_time(report.total_us), human_bytes(report.bytes_written), report.path.string());
}

}  // namespace

void add_wishes(CLI::App& command, ops::Wishes& wishes) {
    command
        .add_option("--dir", wishes.directory, "Write to this directory, which must not exist, instead of the store")
        ->type_name("DIR");
    command
        .add_option_function<std::string>(
            "--rootfs", [&wishes](const std::string& mode) { wishes.keep_rootfs = mode == "auto"; },
            "Keep the root file system with the memory (auto), or leave that to you (none)")
        ->check(CLI::IsMember({"auto", "none"}))
        ->default_str("auto")
        ->type_name("auto|none");
    add_move_wishes(command, wishes);
}

void add_move_wishes(CLI::App& command, ops::Wishes& wishes) {
    command.add_flag("--drop-exec", wishes.drop_exec, "Leave out processes that were started into it with exec");
    command
        .add_option_function<std::string>(
            "--tcp", [&wishes](const std::string& name) { wishes.tcp = inspect::tcp_from(name); },
            "Open TCP connections are kept, closed at the restore, or a reason to refuse")
        ->check(CLI::IsMember({"keep", "close", "fail"}))
        ->default_str("keep")
        ->type_name("keep|close|fail");
    command
        .add_option_function<std::vector<std::string>>(
            "--criu-option",
            [&wishes](const std::vector<std::string>& texts) {
                for (const std::string& text : texts) wishes.criu_options.push_back(criu::parse_option(text));
            },
            "An option of CRIU instead of the chosen one; KEY=no takes one away")
        ->type_name("KEY[=VALUE]")
        ->allow_extra_args(false)
        ->take_all();
}

void add_dump_options(CLI::App& command, ops::DumpRequest& request, bool& explain) {
    add_wishes(command, request.wishes);
    command.add_flag("--with-volumes", request.wishes.keep_volumes,
                     "Keep the volumes that are mounted into it as well");
    command.add_flag("--ignore-blockers", request.ignore_blockers,
                     "Try it although the look says that it can't work; the target runs on when it fails");
    command
        .add_option("--buffer", request.buffer,
                    "Hold at most so much of its memory, to compare and write it when the target runs again (default: "
                    "half of what is available; 0: CRIU writes it)")
        ->transform(CLI::AsSizeValue(false))
        ->type_name("SIZE");
    command
        .add_option_function<std::string>(
            "--compress", [&request](const std::string& text) { request.compression = pages::compression_from(text); },
            "Compress its memory: none, lz4, zstd, or zstd with a level")
        ->default_str("none")
        ->type_name("none|lz4|zstd[:LEVEL]");
    command.add_flag("--full", request.full, "Write all memory, also what has not changed since the last checkpoint");
    command.add_flag("--explain", explain, "Print each CRIU option that was chosen, and why");
}

Json to_json(const OptionList& options) {
    Json list = Json::array();
    for (const Option& option : options)
        list.push_back({{"key", option.key}, {"value", option.value}, {"reason", option.reason}});
    return list;
}

Json to_json(const std::vector<inspect::Warning>& warnings) {
    Json list = Json::array();
    for (const inspect::Warning& warning : warnings) list.push_back({{"id", warning.id}, {"text", warning.text}});
    return list;
}

std::vector<std::vector<std::string>> rows_of(const OptionList& options) {
    std::vector<std::vector<std::string>> rows;
    for (const Option& option : options)
        rows.push_back({"  --" + option.key + (option.value.empty() ? "" : " " + option.value), option.reason});
    return rows;
}

Json run_dump(Session& session, const Globals& globals, const ops::DumpRequest& request, bool explain) {
    const ops::DumpReport report = ops::dump(session.context(), request);
    if (!globals.json) {
        print_text(to_text(report));
        if (explain) print_table(rows_of(report.options));
    }
    return report_json(report);
}

}  // namespace stasis
