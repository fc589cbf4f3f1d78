#pragma once

#include <optional>
#include <string>

#include "lib/ops/escort.h"
#include "lib/ops/examine.h"
#include "lib/pages/codec.h"

namespace stasis::ops {

enum class DumpKind { snapshot, stop };

struct DumpRequest {
    std::string target;
    DumpKind kind = DumpKind::snapshot;
    std::optional<std::string> name;  ///< default: the time; for a stop "stop-<time>"
    Wishes wishes;

    /// Memory of the target that is held before it is compared and written: at most so many bytes, by default half of
    /// what is available. 0: CRIU writes it, and all of it.
    std::optional<std::uint64_t> buffer;
    bool full = false;  ///< all memory is written, whatever an earlier checkpoint has of it
    /// Of a snapshot: the memory of a large target is copied before the freeze, where the kernel tells what changes
    /// after that and there is room.
    bool copy_ahead = true;
    pages::Compression compression;
    bool ignore_blockers = false;    ///< dump although the look says that it can't work
    bool restored_with_all = false;  ///< of a stop: restore_all() brings it back
    Escort* escort = nullptr;        ///< for a stop: who carries its state away. Such a dump is tried once only
};

struct DumpReport {
    std::string target;
    std::string checkpoint;
    std::string kind;
    Path path;
    long long freeze_us = 0;
    long long criu_frozen_us = 0;
    long long total_us = 0;
    std::uint64_t bytes_written = 0;
    std::uint64_t ahead_bytes = 0;   ///< of its memory that was copied before the freeze
    std::uint64_t buffer_bytes = 0;  ///< memory that stasis took to hold the target's
    std::string parent;              ///< checkpoint that has the memory that is not written again, or empty
    OptionList options;
    std::vector<inspect::Warning> warnings;
};

/// A checkpoint of a running target: `snapshot` leaves it running, `stop` ends it once its state
/// is sealed. A failure that passes by itself (Error::transient) is answered by up to three more
/// tries, after 0.5, 1 and 2 seconds. On any failure the target is as it was (Kind::failed, Kind::interrupted) or the
/// error says that it is not (Kind::target_changed).
DumpReport dump(Context& context, DumpRequest request);

}  // namespace stasis::ops
