#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "lib/pages/receiver.h"
#include "tests/unit/catch.h"
#include "tests/unit/page_client.h"
#include "tests/unit/support.h"

namespace stasis::pages {
namespace {

using test::nothing_interrupts;
using test::TempDir;

/// A process that sleeps, with four pages of its own at an address that all of its images have.
class Sleeper {
  public:
    Sleeper() {
        memory_ = static_cast<char*>(
            ::mmap(nullptr, 4 * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        for (std::size_t i = 0; i < 4; ++i) std::fill_n(memory_ + i * kPageSize, kPageSize, "abcd"[i]);
        pid_ = ::fork();
        if (pid_ == 0)
            for (;;) ::pause();
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    ~Sleeper() {
        (void)::kill(pid_, SIGKILL);
        (void)::waitpid(pid_, nullptr, 0);
        (void)::munmap(memory_, 4 * kPageSize);
    }

    std::uint64_t address(std::size_t page) const {
        return reinterpret_cast<std::uint64_t>(memory_) + page * kPageSize;
    }
    std::vector<LiveTask> task() const { return {{{ImageKind::process, 7}, pid_}}; }

  private:
    char* memory_ = nullptr;
    pid_t pid_ = 0;
};

constexpr std::size_t kRoomForSleeper = 512 << 20;
const std::string kYes(1, '\1');
const std::string kNo(1, '\0');

/// CRIU says that of the four pages the second has changed.
void send_one_changed(const Criu& criu, const Sleeper& sleeper) {
    REQUIRE(criu.ask(header(kWide, kOpen, 0, 0, process(7)), 1) == kYes);
    criu.send(header(kWide, add_with(1), 1, sleeper.address(0), process(7)));
    criu.send(header(kWide, add_with(kPresent | 2), 1, sleeper.address(1), process(7)) + page('B'));
    criu.send(header(kWide, add_with(1), 2, sleeper.address(2), process(7)));
    (void)criu.ask(header(kWide, kClose, 0, 0, 0), 4);
}

TEST_CASE("what was copied while the target ran need not be sent, and what has changed since is") {
    const Sleeper sleeper;
    const TempDir first, second;
    for (const TempDir* folder : {&first, &second}) {
        std::optional<Parent> parent;
        if (folder == &second) parent = Parent::load(first.path(), records_of(first));
        Receiver receiver(folder->path(), kWide, 0, kRoomForSleeper, {std::move(parent), {}});
        receiver.wait_until_ready(nothing_interrupts());
        const std::uint64_t copied = receiver.copy_ahead(sleeper.task(), nothing_interrupts());
        REQUIRE(copied >= kPageSize);
        const Criu criu(receiver);
        send_one_changed(criu, sleeper);
        receiver.finish();
        receiver.write(nothing_interrupts());
    }
    const std::string start = std::to_string(sleeper.address(0) >> 12);
    REQUIRE(flags_of(first, "pagemap-7.img") == start + "+4wl ");
    REQUIRE(test::read(first / "pages-1.img") == page('a') + page('B') + page('c') + page('d'));
    REQUIRE(test::read(first / "hashes-1.img").size() == 4 * sizeof(Hash));
    // The second finds all in the first, but for the page that its copy has otherwise.
    REQUIRE(flags_of(second, "pagemap-7.img") == start + "+4pl ");
    REQUIRE(test::read(second / "pages-1.img").empty());
    // Each can be built upon: hashes are at the pages that they are of.
    const std::optional<Parent> known = Parent::load(second.path(), records_of(second));
    const std::string expected = page('c');
    REQUIRE(known->from({ImageKind::process, 7}, sleeper.address(2)).front() ==
            sys::hash_pages(bytes_of(expected)).front());
}

TEST_CASE("pages that were not copied, and more than there is room for, are for a dump without a copy") {
    const Sleeper sleeper;
    const TempDir folder;
    {
        Receiver receiver(folder.path(), kWide, 0, kRoomForSleeper);
        (void)receiver.copy_ahead(sleeper.task(), nothing_interrupts());
        const Criu criu(receiver);
        REQUIRE(criu.ask(header(kWide, kOpen, 0, 0, process(8)), 1) == kNo);
        REQUIRE(criu.ask(header(kWide, kOpen, 0, 0, process(7)), 1) == kYes);
        criu.send(header(kWide, add_with(1), 1, 0x1000, process(7)));
        REQUIRE(test::error_of([&] { receiver.finish(); }).transient());
    }
    // Neither sent nor left out, and both: of known pages as well.
    for (const std::uint32_t flags : {0U, kPresent | 1U}) {
        Receiver receiver(folder.path(), kWide, 0, kRoomForSleeper);
        (void)receiver.copy_ahead(sleeper.task(), nothing_interrupts());
        Criu criu(receiver);
        REQUIRE(criu.ask(header(kWide, kOpen, 0, 0, process(7)), 1) == kYes);
        criu.send(header(kWide, add_with(flags), 1, sleeper.address(0), process(7)) + page('x'));
        criu.end();
        const Error error = test::error_of([&] { receiver.finish(); });
        REQUIRE(error.kind() == Kind::failed);
        REQUIRE(error.message().find("protocol") != std::string::npos);
    }
    // All at once has no room: CRIU sends everything.
    Receiver receiver(folder.path(), kWide, 0, 2 * kPageSize);
    REQUIRE(receiver.copy_ahead(sleeper.task(), nothing_interrupts()) == 0);
    const Criu criu(receiver);
    REQUIRE(criu.ask(header(kWide, kOpen, 0, 0, process(7)), 1) == kNo);
    criu.send(header(kWide, add_with(kPresent), 3, 0x1000, process(7)) + page('x') + page('y') + page('z'));
    (void)criu.ask(header(kWide, kClose, 0, 0, 0), 4);
    receiver.finish();
    receiver.write(nothing_interrupts());
    REQUIRE(test::read(folder / "pages-1.img") == page('x') + page('y') + page('z'));
}

TEST_CASE("what is written to while it is copied must not crowd out the copy") {
    const Sleeper sleeper;
    const TempDir folder;
    std::uint64_t copied = 0;
    {
        Receiver receiver(folder.path(), kWide, 0, kRoomForSleeper);
        copied = receiver.copy_ahead(sleeper.task(), nothing_interrupts());
    }
    Receiver receiver(folder.path(), kWide, 0, copied + 2 * kPageSize);
    REQUIRE(receiver.copy_ahead(sleeper.task(), nothing_interrupts()) == copied);
    const Criu criu(receiver);
    (void)criu.ask(header(kWide, kOpen, 0, 0, process(7)), 1);
    criu.send(header(kWide, add_with(kPresent), 3, 0x1000, process(7)) + page('x') + page('y') + page('z'));
    REQUIRE(test::error_of([&] { receiver.finish(); }).transient());
}

}  // namespace
}  // namespace stasis::pages
