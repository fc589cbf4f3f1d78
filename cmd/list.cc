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
        case store::MoveState::arrived: return "came here from " + move.record.peer;
        case store::MoveState::leaving: return "was interrupted on its way to " + move.record.peer + at_work;
        case store::MoveState::left: return "is on " + move.record.peer + " now";
    }
    return "";
}

int run_list(const Globals& globals, const std::string& target) {
    Session session(globals);
    const std::vector<store::Entry> entries = ops::list(session.context(), target);
    const std::vector<ops::Moved> moves = ops::moves(session.context(), target);
    if (globals.json) {
        print_json(to_json(entries, moves));
        return kOk;
    }
    std::vector<std::vector<std::string>> rows{{"TARGET", "CHECKPOINT", "KIND", "CREATED", "SIZE", "STATE"}};
    for (const store::Entry& entry : entries) rows.push_back(to_row(entry));
    print_table(rows);
    for (const ops::Moved& move : moves) print_text(move.target + " " + to_text(move) + "\n");
    return kOk;
}

}  // namespace

Json list_document(ops::Context& context, const std::string& target) {
    return to_json(ops::list(context, target), ops::moves(context, target));
}

void add_list(CLI::App& parent, const Globals& globals, Run& run) {
    const auto target = std::make_shared<std::string>();
    CLI::App& command = *parent.add_subcommand("list", "Show the checkpoints in the store");
    command.add_option("TARGET", *target, "Only those of this target");
    command.callback([&globals, &run, target] { run = [&globals, target] { return run_list(globals, *target); }; });
}

}  // namespace stasis
