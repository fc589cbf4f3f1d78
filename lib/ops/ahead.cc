#include "lib/ops/ahead.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lib/move/files.h"
#include "lib/ops/copy_progress.h"
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
/// And as long as sending what changes meanwhile, which it makes shorter, takes more than this of the freeze.
constexpr double kWorthARoundUs = 30'000;
/// What a move takes besides memory while the container stands still: the freeze, the other images, the files, the
/// restore. Seen for small containers.
constexpr double kFixedUs = 200'000;

double mebibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

/// Of all files of a round and those that it shares with the ones before.
FileRecords complete(const Path& folder, const FileRecords& known, sys::Interrupts& interrupts) {
    return sys::record_tree(folder, interrupts, [&](const std::string& path, const struct stat&) {
        const auto record = known.find(path);
        return record == known.end() ? std::nullopt : std::optional(record->second);
    });
}

}  // namespace

void MemoryAhead::run(const Examination& found, const Path& folder, std::chrono::milliseconds max_downtime) {
    constexpr mode_t kSearchable = 0755;  // they become part of the images
    sys::make_directory(folder, kSearchable);
    CopyProgress first(context_.progress, "copying its memory ahead, round 1", found.seen.memory_bytes);
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
            if (rounds_.empty()) first.at(channel_.sent_bytes() - sent_before);
        };
        const FileRecords known = pages::copy_live(live_tasks(found.described.init), folder / name, layout_,
                                                   std::move(parent_), send, context_.interrupts);
        look_us_ = microseconds_between(began, Clock::now()) - sending_us;
        parent_ = pages::Parent::load(folder / name, complete(folder / name, known, context_.interrupts));
        sender.send_rest(folder / name);
        move::Frame sync;
        (void)sync.mutable_sync();
        channel_.send(sync, context_.interrupts);
        (void)channel_.expect(move::Frame::kDone, context_.interrupts);
        rounds_.push_back({channel_.sent_bytes() - sent_before, microseconds_between(began, Clock::now())});
        say_round(max_downtime);
    } while (!is_enough(max_downtime));
}

void MemoryAhead::say_round(std::chrono::milliseconds max_downtime) const {
    constexpr double kMicroseconds = 1e6;
    const Round& round = rounds_.back();
    const double seconds = static_cast<double>(std::max(round.took_us, 1LL)) / kMicroseconds;
    std::string text = fmt::format("copying its memory ahead: round {}, {:.1f} MiB at {:.1f} MiB/s", rounds_.size(),
                                   mebibytes(round.bytes), mebibytes(round.bytes) / seconds);
    if (rounds_.size() > 1)
        text += fmt::format(", {:.1f} MiB/s change: it would stand still for {:.1f} s (aim: {:.1f} s)",
                            change_per_us() * kMicroseconds / (1 << 20), expected_us() / kMicroseconds,
                            std::chrono::duration<double>(max_downtime).count());
    context_.progress.step(text);
}

/// By the last round: what it found changed since the one before came up in that one's time. From the second on.
double MemoryAhead::change_per_us() const {
    const Round& before = rounds_[rounds_.size() - 2];
    return static_cast<double>(rounds_.back().bytes) / static_cast<double>(std::max(before.took_us, 1LL));
}

/// As much as changes in the time of the last round, sent as fast as all was.
double MemoryAhead::changed_us() const {
    double bytes = 0;
    double took_us = 1;
    for (const Round& round : rounds_) {
        bytes += static_cast<double>(round.bytes);
        took_us += static_cast<double>(round.took_us);
    }
    return change_per_us() * static_cast<double>(rounds_.back().took_us) * took_us / bytes;
}

/// That, and what a freeze takes in any case.
double MemoryAhead::expected_us() const { return changed_us() + static_cast<double>(look_us_) + kFixedUs; }

bool MemoryAhead::is_enough(std::chrono::milliseconds max_downtime) const {
    if (rounds_.size() < 2) return false;
    if (expected_us() <= std::chrono::duration<double, std::micro>(max_downtime).count()) return true;
    if (changed_us() <= kWorthARoundUs) return true;
    if (rounds_.size() == kMostRounds) return true;
    const Round& before = rounds_[rounds_.size() - 2];
    return rounds_.size() > 2 &&
           static_cast<double>(rounds_.back().bytes) > kWorthIt * static_cast<double>(before.bytes);
}

}  // namespace stasis::ops
