#include "lib/store/move_record.h"

#include <array>
#include <utility>

#include "lib/base/error.h"
#include "lib/store/percent.h"

namespace stasis::store {
namespace {

constexpr std::array<std::pair<MoveState, const char*>, 5> kNames{{{MoveState::arriving, "arriving"},
                                                                   {MoveState::loaded, "loaded"},
                                                                   {MoveState::arrived, "arrived"},
                                                                   {MoveState::leaving, "leaving"},
                                                                   {MoveState::left, "left"}}};

/// Hidden from list(): no checkpoint can be called so.
Path path_of(const Store& store, const std::string& runtime, const std::string& container) {
    return store.container_folder(runtime, container) / ".move.json";
}

MoveState state_from(const std::string& text) {
    for (const auto& [value, name] : kNames)
        if (text == name) return value;
    throw Error(Kind::damaged, "there is no state '" + text + "' of a move").hint("update stasis on this host");
}

Json to_json(const MoveRecord& move) {
    Json made = Json::array();
    for (const Path& path : move.made) made.push_back(encode_path(path));
    Json json{{"id", move.id},           {"state", to_string(move.state)},
              {"peer", move.peer},       {"checkpoint", move.checkpoint},
              {"made", std::move(made)}, {"runtime_details", move.runtime_details}};
    if (is_on_trial(move.state) && !move.before.empty()) json["before"] = to_json(move.before.front());
    return json;
}

MoveRecord from_json(const Json& json) {
    MoveRecord move{json.at("id"),
                    state_from(json.at("state")),
                    json.at("peer"),
                    json.at("checkpoint"),
                    {},
                    json.at("runtime_details")};
    for (const Json& folder : json.at("made")) move.made.push_back(decode_path(folder));
    if (json.contains("before")) move.before.push_back(from_json(json.at("before")));
    return move;
}

}  // namespace

bool is_on_trial(MoveState state) { return state == MoveState::arriving || state == MoveState::loaded; }

std::string to_string(MoveState state) {
    for (const auto& [value, name] : kNames)
        if (value == state) return name;
    return "";
}

std::optional<MoveRecord> read_move(const Store& store, const std::string& runtime, const std::string& container) {
    const Path path = path_of(store, runtime, container);
    const std::optional<std::string> text = sys::read_file_if_exists(path);
    if (!text) return std::nullopt;
    try {
        return from_json(Json::parse(*text));
    } catch (const nlohmann::json::exception&) {
        throw Error(Kind::damaged, "'" + path.string() + "' can't be read")
            .hint("look where the container runs, then remove it");
    }
}

void write_move(const Store& store, const std::string& runtime, const std::string& container, const MoveRecord& move) {
    constexpr mode_t kPrivate = 0600;
    sys::write_file_atomically(path_of(store, runtime, container), to_json(move).dump(2) + "\n", kPrivate);
}

void forget_move(const Store& store, const std::string& runtime, const std::string& container) {
    std::error_code missing;
    std::filesystem::remove(path_of(store, runtime, container), missing);
}

void forget_arrival(const Store& store, const std::string& runtime, const std::string& container,
                    const MoveRecord& arrival) {
    if (arrival.before.empty())
        forget_move(store, runtime, container);
    else
        write_move(store, runtime, container, arrival.before.front());
}

}  // namespace stasis::store
