#include "lib/pages/live.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "lib/proc/own_memory.h"
#include "lib/sys/fd.h"

namespace stasis::pages {
namespace {

/// How much is read before it is hashed and written.
constexpr std::size_t kAtOnce = 256 << 20;
/// How much goes into one read: what is read is not looked at for an interruption.
constexpr std::uint64_t kOneRead = 4 << 20;

/// One round through the tasks' memory.
class Round {
  public:
    Round(const sys::Path& folder, Layout layout, Savings savings, sys::Interrupts& interrupts)
        : images_(folder, layout, std::move(savings)), interrupts_(interrupts) {}

    void add(const LiveTask& task) {
        // Reads what the task itself must not (PROT_NONE), and sees no difference in a page that is swapped out.
        const sys::UniqueFd memory(
            ::open(("/proc/" + std::to_string(task.pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
        if (!memory) return;
        images_.open(task.id);
        for (const proc::Stretch& stretch : proc::own_memory(task.pid)) {
            images_.add({Command::add, kPresent, 0, stretch.address, 0});
            std::uint64_t done = 0;
            while (done < stretch.bytes) {
                const std::uint64_t got =
                    read(memory.get(), stretch.address + done, std::min(kOneRead, stretch.bytes - done));
                if (got == 0) break;
                done += got;
            }
        }
    }

    FileRecords finish() {
        write();
        images_.write_pagemaps();
        return images_.records();
    }

  private:
    /// Whole pages; none where the memory went away.
    std::uint64_t read(int memory, std::uint64_t address, std::uint64_t bytes) {
        interrupts_.check();
        if (arena_.used() == kAtOnce) write();
        const std::span<std::byte> room = arena_.take(bytes);
        const ssize_t got = ::pread(memory, room.data(), room.size(), static_cast<off_t>(address));
        const std::uint64_t whole = got < 0 ? 0 : static_cast<std::uint64_t>(got) / kPageSize * kPageSize;
        arena_.give_back(room.size() - whole);
        images_.take(arena_, room.first(whole));
        return whole;
    }

    void write() {
        images_.write_pages(arena_, [this] { interrupts_.check(); });
    }

    Arena arena_{kAtOnce};
    Images images_;
    sys::Interrupts& interrupts_;
};

}  // namespace

FileRecords copy_live(const std::vector<LiveTask>& tasks, const sys::Path& folder, Layout layout, Savings savings,
                      sys::Interrupts& interrupts) {
    Round round(folder, layout, std::move(savings), interrupts);
    for (const LiveTask& task : tasks) round.add(task);
    return round.finish();
}

}  // namespace stasis::pages
