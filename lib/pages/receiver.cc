#include "lib/pages/receiver.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <tuple>

#include "lib/base/as_errors.h"
#include "lib/base/error.h"
#include "lib/proc/own_memory.h"
#include "lib/sys/socket.h"

namespace stasis::pages {

Receiver::Receiver(const sys::Path& images, Layout layout, std::size_t expected, std::size_t capacity, Savings savings)
    : layout_(layout),
      arena_(capacity),
      images_(images, layout, std::move(savings)),
      ready_(prefaulted_.get_future()),
      done_(served_.get_future()) {
    std::tie(ours_, theirs_) = sys::socket_pair();
    // Room for all that CRIU takes from a task at once (4.2.1, criu/page-pipe.c: pipes of 28 MiB in all): it takes the
    // next while this is read. They are the task's own pages until then, no memory of ours.
    constexpr int kSocketBuffer = 64 << 20;
    (void)::setsockopt(theirs_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
    // With a parent most of it is usually dropped as soon as it comes.
    constexpr std::size_t kUsuallyChanged = 8;
    thread_ = std::thread([this, bytes = images_.has_parent() ? expected / kUsuallyChanged : expected] {
        prefault(bytes);
        try {
            serve();
        } catch (...) {
            failure_ = std::current_exception();
        }
        // CRIU waits for nobody then: it fails, and rolls back.
        (void)::shutdown(ours_.get(), SHUT_RDWR);
        served_.set_value();
    });
}

Receiver::~Receiver() {
    unwanted_ = true;
    (void)::shutdown(ours_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
}

void Receiver::prefault(std::size_t expected) {
    constexpr std::size_t kAtOnce = 256 << 20;
    for (std::size_t done = 0; done < expected && !unwanted_; done += kAtOnce)
        arena_.prefault(done, std::min(kAtOnce, expected - done));
    prefaulted_.set_value();
}

void Receiver::wait_until_ready(sys::Interrupts& interrupts) {
    constexpr auto kBetween = std::chrono::milliseconds(20);
    while (ready_.wait_for(kBetween) != std::future_status::ready) interrupts.check();
}

std::uint64_t Receiver::copy_ahead(const std::vector<LiveTask>& tasks, sys::Interrupts& interrupts) {
    // The thread waits for CRIU's first word meanwhile. Of tasks that share their memory none may be read yet when
    // another one's notes are wiped.
    for (const LiveTask& task : tasks) (void)proc::track_writes(task.pid);
    struct NoRoom {};
    try {
        for (const LiveTask& task : tasks)
            read_live(
                task, arena_, images_, [] { throw NoRoom(); }, interrupts);
    } catch (const NoRoom&) {
        images_.forget();
        arena_.reset();
        return 0;
    }
    return images_.begin_dump();
}

void Receiver::finish() {
    constexpr auto kGrace = std::chrono::seconds(5);
    if (done_.wait_for(kGrace) != std::future_status::ready) (void)::shutdown(ours_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    if (failure_) std::rethrow_exception(failure_);
}

void Receiver::explain(Error& error) {
    unwanted_ = true;
    (void)::shutdown(ours_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    if (!failure_ || was_left_) return;
    try {
        as_errors([&] { std::rethrow_exception(failure_); });
    } catch (const Error& own) {
        error.cause(own.message()).hint("`--buffer 0` leaves the writing of memory to CRIU");
        error.transient(own.transient());
    }
}

void Receiver::write(sys::Interrupts& interrupts) {
    arena_.drop_rest();
    images_.write_pages(arena_, [&] { interrupts.check(); });
    images_.write_pagemaps();
}

/// All of it, or false at an end of file before `limit_ms`, which is -1 for none.
bool Receiver::read(std::span<std::byte> bytes, int limit_ms) {
    while (!bytes.empty()) {
        pollfd wait{ours_.get(), POLLIN, 0};
        const int ready = ::poll(&wait, 1, limit_ms);
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) throw Error(Kind::failed, "CRIU stopped in the middle of the pages that it sends");
        const ssize_t got = ::read(ours_.get(), bytes.data(), bytes.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw system_error(errno, "read the pages that CRIU sends");
        if (got == 0) {
            was_left_ = true;
            return false;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
    return true;
}

/// What CRIU has begun to send comes at once, or never: where it fails in the middle of pages it waits for our word,
/// and the target stands still.
void Receiver::read_promised(std::span<std::byte> bytes) {
    constexpr int kLimitMs = 20'000;
    if (!read(bytes, kLimitMs)) throw Error(Kind::failed, "CRIU ended in the middle of the pages that it sends");
}

void Receiver::answer(std::span<const std::byte> bytes) {
    if (::send(ours_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
        throw system_error(errno, "answer CRIU's question for pages");
}

void Receiver::take_pages(std::uint64_t bytes) {
    constexpr std::uint64_t kAtOnce = 256 << 10;  // stays in a core's own cache while it is compared
    while (bytes > 0) {
        const std::span<std::byte> room = arena_.take(std::min<std::uint64_t>(bytes, kAtOnce));
        if (room.empty()) {
            if (images_.knows_any())
                throw Error(Kind::failed, "there is no room for all that was written to").transient(true);
            // Full: the target stands still for as long as this takes.
            images_.write_oldest(arena_, [this] {
                was_left_ = unwanted_;
                if (was_left_) throw Error(Kind::failed, "nobody wants the pages any more");
            });
            continue;
        }
        read_promised(room);
        images_.take(arena_, room);
        bytes -= room.size();
    }
}

void Receiver::serve() {
    constexpr std::array<std::byte, 1> kNoParentByte{};
    constexpr std::array<std::byte, 1> kParentByte{std::byte{1}};
    constexpr std::array<std::byte, 4> kNo{};
    std::array<std::byte, kLargestHeader> bytes{};
    const std::span<std::byte> space(bytes.data(), layout_.header_size);
    for (;;) {
        if (!read(space.first(1), -1))
            throw Error(Kind::failed, "CRIU ended without saying that all its pages were sent");
        read_promised(space.subspan(1));
        const std::optional<Header> header = parse_header(layout_, space);
        if (!header) throw Error(Kind::failed, "CRIU sent pages by a protocol that stasis does not know");
        const std::optional<ImageKind> kind = image_kind(header->image);
        switch (header->command) {
            case Command::open:
                if (!kind) throw Error(Kind::failed, "CRIU sent memory of a kind that stasis does not know");
                images_.open({*kind, image_number(header->image)});
                answer(images_.knows({*kind, image_number(header->image)}) ? kParentByte : kNoParentByte);
                break;
            case Command::has_parent: answer(kNo); break;
            case Command::add: {
                const bool follows = (header->flags & kPresent) != 0;
                if (follows == ((header->flags & kInParent) != 0))
                    throw Error(Kind::failed, "CRIU sent pages by a protocol that stasis does not know");
                images_.add(*header);
                if (follows)
                    take_pages(header->count * kPageSize);
                else
                    images_.take_known(header->count);
                break;
            }
            case Command::get: throw Error(Kind::failed, "CRIU asked for pages while it sends them");
            case Command::close:
            case Command::close_by_force: answer(kClosed); return;
        }
    }
}

}  // namespace stasis::pages
