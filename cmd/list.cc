#include "cmd/documents.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/ops/manage.h"

namespace stasis {
namespace {

Json to_json(const store::Entry& entry) {
    const std::optional<store::Manifest>& manifest = entry.found.manifest;
    return {{"target", entry.runtime + ":" + entry.container},
            {"checkpoint", entry.checkpoint},
            {"kind", manifest ? Json(manifest->kind) : Json()},
            {"created", manifest ? Json(manifest->created) : Json()},
            {"bytes", manifest ? Json(manifest->bytes()) : Json()},
            {"state", to_string(entry.found.state)}};
}

std::vector<std::string> to_row(const store::Entry& entry) {
    const std::optional<store::Manifest>& manifest = entry.found.manifest;
    return {entry.runtime + ":" + entry.container,
            entry.checkpoint,
            manifest ? manifest->kind : "-",
            manifest ? manifest->created : "-",
            manifest ? human_bytes(manifest->bytes()) : "-",
            to_string(entry.found.state)};
}

Json to_json(const std::vector<store::Entry>& entries, const std::vector<ops::Moved>& moves) {
    Json list = Json::array();
    for (const store::Entry& entry : entries) list.push_back(to_json(entry));
    Json moved = Json::array();
    for (const ops::Moved& move : moves)
        moved.push_back({{"target", move.target}, {"state", to_string(move.record.state)}, {"host", move.record.peer}});
    return {{"checkpoints", list}, {"moves", moved}};
}

std::string to_text(const ops::Moved& move) {
    const std::string at_work = ", unless a move is at work: `stasis move-to-host --recover` settles it";
    switch (move.record.state) {
        case store::MoveState::arriving: return "was interrupted on its way here from " + move.record.peer + at_work;
        case store::MoveState::loaded:
            return "was interrupted when all of it had come here from " + move.record.peer +
                   ", unless a move is at work: `stasis move-to-host --recover` on " + move.record.peer + " settles it";
        case store::MoveState::arrived: return "came here from " + move.record.peer;
        case store::MoveState::leaving: return "was interrupted on its way to " + move.record.peer + at_work;
        case store::MoveState::left: return "is on " + move.record.peer + " now";
    }
    return "";
}

std::string to_text(const std::optional<runtime::Status>& status) {
    if (!status) return "unknown";
    switch (*status) {
        case runtime::Status::absent: return "absent";
        case runtime::Status::created: return "created";
        case runtime::Status::stopped: return "stopped";
        case runtime::Status::running: return "running";
        case runtime::Status::paused: return "paused";
    }
    return "unknown";
}

struct ListOptions {
    std::string target;
    bool all = false;
};

int run_list(const Globals& globals, const ListOptions& options) {
    Session session(globals);
    const std::string& target = options.target;
    std::vector<ops::Known> containers;
    if (options.all) containers = ops::containers(session.context());
    const std::vector<store::Entry> entries = ops::list(session.context(), target);
    const std::vector<ops::Moved> moves = ops::moves(session.context(), target);
    if (globals.json) {
        Json document = to_json(entries, moves);
        Json known = Json::array();
        for (const ops::Known& one : containers)
            known.push_back({{"target", one.target}, {"status", to_text(one.status)}});
        if (options.all) document.update({{"containers", known}});
        print_json(document);
        return kOk;
    }
    std::vector<std::vector<std::string>> rows{{"TARGET", "CHECKPOINT", "KIND", "CREATED", "SIZE", "STATE"}};
    for (const store::Entry& entry : entries) rows.push_back(to_row(entry));
    print_table(rows);
    for (const ops::Moved& move : moves) print_text(move.target + " " + to_text(move) + "\n");
    for (const ops::Known& one : containers) print_text(one.target + " is " + to_text(one.status) + "\n");
    return kOk;
}

}  // namespace

Json list_document(ops::Context& context, const std::string& target) {
    return to_json(ops::list(context, target), ops::moves(context, target));
}

void add_list(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<ListOptions>();
    CLI::App& command = *parent.add_subcommand("list", "Show the checkpoints in the store");
    CLI::Option& target = *command.add_option("TARGET", options->target, "Only those of this target");
    command.add_flag("--all", options->all, "Show also what the runtimes of this host know, and whether it runs")
        ->excludes(&target);
    command.callback([&globals, &run, options] { run = [&globals, options] { return run_list(globals, *options); }; });
}

}  // namespace stasis
