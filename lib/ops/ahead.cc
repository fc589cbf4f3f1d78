#include "lib/ops/ahead.h"

#include <fmt/format.h>

#include "lib/move/files.h"
#include "lib/ops/live_tasks.h"
#include "lib/pages/live.h"
#include "lib/sys/checksum.h"

namespace stasis::ops {
namespace {

/// A restore goes through the increments of all rounds, and a chain of them has an end (pages::Parent::kMostInChain).
constexpr std::size_t kMostRounds = 8;
static_assert(kMostRounds + 2 <= pages::Parent::kMostInChain);
/// A round is worth it when it leaves this much less to send than the one before.
constexpr double kWorthIt = 0.7;
/// What a move takes besides memory while the container stands still: the freeze, the other images, the files, the
/// restore. Seen for small containers.
constexpr double kFixedUs = 200'000;

/// Of all files of a round and those that it shares with the ones before.
FileRecords complete(const Path& folder, const FileRecords& known, sys::Interrupts& interrupts) {
    return sys::record_tree(folder, interrupts, [&](const std::string& path, const struct stat&) {
        const auto record = known.find(path);
        return record == known.end() ? std::nullopt : std::optional(record->second);
    });
}

}  // namespace

void MemoryAhead::run(const runtime::Description& described, const Path& folder,
                      std::chrono::milliseconds max_downtime) {
    constexpr mode_t kSearchable = 0755;  // they become part of the images
    sys::make_directory(folder, kSearchable);
    do {
        const std::string name = std::to_string(rounds_.size() + 1);
        sys::make_directory(folder / name, kSearchable);
        const Clock::time_point began = Clock::now();
        const std::uint64_t sent_before = channel_.sent_bytes();
        move::FileSender sender(channel_, folder.filename().native() + "/" + name + "/", context_.interrupts);
        long long sending_us = 0;
        const auto send = [&](const std::string& file, std::span<const std::byte> pages) {
            const Clock::time_point before = Clock::now();
            sender.add(file, {reinterpret_cast<const char*>(pages.data()), pages.size()});
            sending_us += microseconds_between(before, Clock::now());
        };
        const FileRecords known = pages::copy_live(live_tasks(described.init), folder / name, layout_,
                                                   std::move(parent_), send, context_.interrupts);
        look_us_ = microseconds_between(began, Clock::now()) - sending_us;
        parent_ = pages::Parent::load(folder / name, complete(folder / name, known, context_.interrupts));
        sender.send_rest(folder / name);
        move::Frame sync;
        (void)sync.mutable_sync();
        channel_.send(sync, context_.interrupts);
        (void)channel_.expect(move::Frame::kDone, context_.interrupts);
        rounds_.push_back({channel_.sent_bytes() - sent_before, microseconds_between(began, Clock::now())});
        const Round& round = rounds_.back();
        context_.progress.step(fmt::format(
            "copying its memory ahead: round {}, {:.1f} MiB at {:.1f} MiB/s", rounds_.size(),
            static_cast<double>(round.bytes) / (1 << 20),
            static_cast<double>(round.bytes) / (1 << 20) / (static_cast<double>(std::max(round.took_us, 1LL)) / 1e6)));
    } while (!is_enough(max_downtime));
}

/// By the last round: what it found changed since the one before came up in that one's time; as much comes up in its
/// own time, and is sent as fast as all was.
bool MemoryAhead::is_enough(std::chrono::milliseconds max_downtime) const {
    if (rounds_.size() < 2) return false;
    const Round& last = rounds_.back();
    const Round& before = rounds_[rounds_.size() - 2];
    const double rate = static_cast<double>(last.bytes) / static_cast<double>(std::max(before.took_us, 1LL));
    double bytes = 0;
    double sending_us = 1;
    for (const Round& round : rounds_) {
        bytes += static_cast<double>(round.bytes);
        sending_us += static_cast<double>(round.took_us);
    }
    const double expected_us =
        rate * static_cast<double>(last.took_us) * sending_us / bytes + static_cast<double>(look_us_) + kFixedUs;
    if (expected_us <= std::chrono::duration<double, std::micro>(max_downtime).count()) return true;
    if (rounds_.size() == kMostRounds) return true;
    return rounds_.size() > 2 && static_cast<double>(last.bytes) > kWorthIt * static_cast<double>(before.bytes);
}

}  // namespace stasis::ops
