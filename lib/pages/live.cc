#include "lib/pages/live.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "lib/proc/own_memory.h"

namespace stasis::pages {
namespace {

/// How much is read before it is hashed and written: who listens is to be kept busy.
constexpr std::size_t kAtOnce = 32 << 20;
/// How much goes into one read: what is read is not looked at for an interruption.
constexpr std::uint64_t kOneRead = 4 << 20;

/// Reads whole pages; none where the memory went away.
std::uint64_t read_at(int memory, std::uint64_t address, std::span<std::byte> room) {
    const ssize_t got = ::pread(memory, room.data(), room.size(), static_cast<off_t>(address));
    return got < 0 ? 0 : static_cast<std::uint64_t>(got) / kPageSize * kPageSize;
}

}  // namespace

sys::UniqueFd open_memory(pid_t pid) {
    return sys::UniqueFd(::open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
}

void read_live(const LiveTask& task, Arena& arena, Images& images, const std::function<void()>& make_room,
               sys::Interrupts& interrupts) {
    const sys::UniqueFd memory = open_memory(task.pid);
    if (!memory) return;
    images.open(task.id);
    for (const proc::Stretch& stretch : proc::own_memory(task.pid)) {
        images.add({Command::add, kPresent | (stretch.can_be_lazy ? kLazy : 0), 0, stretch.address, 0});
        for (std::uint64_t done = 0; done < stretch.bytes;) {
            interrupts.check();
            const std::span<std::byte> room = arena.take(std::min(kOneRead, stretch.bytes - done));
            if (room.empty()) {
                make_room();
                continue;
            }
            const std::uint64_t got = read_at(memory.get(), stretch.address + done, room);
            arena.give_back(room.size() - got);
            if (got == 0) break;
            images.take(arena, room.first(got));
            done += got;
        }
    }
}

FileRecords copy_live(const std::vector<LiveTask>& tasks, const sys::Path& folder, Layout layout,
                      std::optional<Parent> parent, Images::Listener listener, sys::Interrupts& interrupts) {
    Arena arena(kAtOnce);
    // Nobody reads it here unless the move fails in its last step.
    Images images(folder, layout, {std::move(parent), {}, PageCache::bypassed});
    images.set_listener(std::move(listener));
    const auto write = [&] { images.write_pages(arena, [&] { interrupts.check(); }); };
    for (const LiveTask& task : tasks) read_live(task, arena, images, write, interrupts);
    write();
    images.write_pagemaps();
    return images.records();
}

}  // namespace stasis::pages
