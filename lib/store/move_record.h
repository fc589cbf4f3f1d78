#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/base/json.h"
#include "lib/store/store.h"

namespace stasis::store {

/// Where a container is that was moved, as each of the two hosts last knew it.
enum class MoveState {
    arriving,  ///< here, not let go yet; or let go while its memory follows, and to be ended if that breaks off
    loaded,    ///< all of it is here, and runs; the other host, where it stands still, ends it there or here
    arrived,   ///< here: it was let go, and is this host's
    leaving,   ///< it was ended here for the other host, which has not said yet that it runs there
    left,      ///< it runs on the other host
};

/// The last move of a container, in its folder of the store, until the next one.
struct MoveRecord {
    std::string id;  ///< the same on both hosts
    MoveState state = MoveState::arriving;
    std::string peer;        ///< the other host, as far as it is known
    std::string checkpoint;  ///< what it is brought back from
    std::vector<Path> made;  ///< until it arrived: the topmost folders that the move made for its files
    Json runtime_details;    ///< until it arrived: what the adapter needs to remove it
    /// Until it arrived: the record that it takes the place of, which forget_arrival() brings back. One at most.
    std::vector<MoveRecord> before{};
};

std::string to_string(MoveState state);

/// Came here, but may still have to go again?
bool is_on_trial(MoveState state);

/// Throws Kind::damaged where there is a record that can't be read.
std::optional<MoveRecord> read_move(const Store& store, const std::string& runtime, const std::string& container);
/// The container's folder must be there.
void write_move(const Store& store, const std::string& runtime, const std::string& container, const MoveRecord& move);
void forget_move(const Store& store, const std::string& runtime, const std::string& container);
/// What was known before `arrival`, the record of a container that never came to run here, is known again.
void forget_arrival(const Store& store, const std::string& runtime, const std::string& container,
                    const MoveRecord& arrival);

}  // namespace stasis::store
