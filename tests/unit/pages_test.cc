#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "lib/pages/receiver.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::pages {
namespace {

using test::nothing_interrupts;
using test::TempDir;

constexpr Layout kNarrow{24, false};
constexpr Layout kWide{32, true};

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

template <typename Number>
void append(std::string& text, Number number) {
    text.append(reinterpret_cast<const char*>(&number), sizeof number);
}

/// A header as this version of CRIU sends it.
std::string header(const Layout& layout, std::uint32_t command, std::uint64_t count, std::uint64_t address,
                   std::uint64_t image) {
    std::string text;
    append(text, command);
    if (layout.wide_counts) {
        append(text, std::uint32_t{0x5a5a5a5a});  // padding, whatever it holds
        append(text, count);
    } else {
        append(text, static_cast<std::uint32_t>(count));
    }
    append(text, address);
    append(text, image);
    return text;
}

constexpr std::uint32_t kOpen = 4;
constexpr std::uint32_t kParent = 5;
constexpr std::uint32_t kClose = 0x1023;
constexpr std::uint32_t add_with(std::uint32_t flags) { return 6 | flags << 16; }
constexpr std::uint64_t process(std::uint64_t pid) { return pid << 8 | 1; }
constexpr std::uint64_t shared(std::uint64_t id) { return id << 8 | 2; }
std::string page(char byte) { return std::string(kPageSize, byte); }

TEST_CASE("the page protocol is used with versions of CRIU that are known alone") {
    REQUIRE_FALSE(layout_of({3, 16, 1}));
    REQUIRE(layout_of({3, 17, 0})->header_size == 24);
    REQUIRE(layout_of({4, 1, 1})->header_size == 24);
    REQUIRE(layout_of({4, 2, 0})->header_size == 32);
    REQUIRE(layout_of({4, 2, 1})->wide_counts);
    REQUIRE_FALSE(layout_of({4, 3, 0}));
    REQUIRE_FALSE(layout_of({5, 0, 0}));
}

TEST_CASE("headers are read, and refused where they make no sense") {
    for (const Layout& layout : {kNarrow, kWide}) {
        const std::string good = header(layout, add_with(kPresent | 2), 7, 0x7f0000001000, process(42));
        const std::optional<Header> read = parse_header(layout, bytes_of(good));
        REQUIRE(read);
        REQUIRE((read->command == Command::add && read->flags == 6 && read->count == 7));
        REQUIRE(read->address == 0x7f0000001000);
        REQUIRE((image_kind(read->image) == ImageKind::process && image_number(read->image) == 42));
        REQUIRE(parse_header(layout, bytes_of(header(layout, kClose, 0, 0, 0)))->command == Command::close);
        REQUIRE_FALSE(parse_header(layout, bytes_of(good.substr(1))));
        REQUIRE_FALSE(parse_header(layout, bytes_of(good + "x")));
        REQUIRE_FALSE(parse_header(layout, bytes_of(header(layout, add_with(kPresent), 0, 0, process(1)))));
        for (const std::uint32_t command : {0U, 1U, 3U, 7U, 0x1022U, kOpen | 1U << 16})
            REQUIRE_FALSE(parse_header(layout, bytes_of(header(layout, command, 1, 0, process(1)))));
    }
    REQUIRE(image_kind(shared(3)) == ImageKind::shared_memory);
    REQUIRE_FALSE(image_kind(3));
    // From 4.2 counts have 64 bits, which no memory fills.
    REQUIRE_FALSE(parse_header(kWide, bytes_of(header(kWide, add_with(kPresent), 1ULL << 41, 0, process(1)))));
}

/// CRIU's end of a conversation.
class Criu {
  public:
    explicit Criu(Receiver& receiver) : socket_(::dup(receiver.socket())) { receiver.leave_to_criu(); }

    void send(const std::string& text) const {
        REQUIRE(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    }
    /// Sends, and reads an answer of so many bytes.
    std::string ask(const std::string& text, std::size_t length) const {
        send(text);
        std::string answer(length, 'x');
        REQUIRE(::recv(socket_.get(), answer.data(), length, MSG_WAITALL) == static_cast<ssize_t>(length));
        return answer;
    }
    void end() { socket_.reset(); }

  private:
    sys::UniqueFd socket_;
};

/// What CRIU sends of two tasks and shared memory.
void send_dump(const Criu& criu, const Layout& layout) {
    REQUIRE(criu.ask(header(layout, kParent, 0, 0, process(10)), 4) == std::string(4, '\0'));
    REQUIRE(criu.ask(header(layout, kOpen, 0, 0, process(10)), 1) == std::string(1, '\0'));
    criu.send(header(layout, add_with(kPresent), 2, 0x1000, process(10)) + page('a') + page('b'));
    criu.send(header(layout, add_with(kPresent | 2), 1, 0x9000, process(10)) + page('c'));
    REQUIRE(criu.ask(header(layout, kOpen, 0, 0, process(11)), 1) == std::string(1, '\0'));
    REQUIRE(criu.ask(header(layout, kOpen, 0, 0, shared(7)), 1) == std::string(1, '\0'));
    criu.send(header(layout, add_with(kPresent), 1, 0, shared(7)) + page('d'));
    REQUIRE(criu.ask(header(layout, kClose, 0, 0, 0), 4) == std::string(4, '\0'));
}

/// With which a pagemap image begins.
std::string magic() { return "\x19\x43\x56\x54\x25\x40\x08\x56"; }

TEST_CASE("received pages become the images that CRIU writes itself") {
    for (const std::size_t capacity : {std::size_t{1} << 20, 2 * kPageSize, kPageSize / 2}) {
        for (const Layout& layout : {kNarrow, kWide}) {
            const TempDir temp;
            Receiver receiver(temp.path(), layout, capacity / 2, capacity);
            Criu criu(receiver);
            receiver.wait_until_ready(nothing_interrupts());
            send_dump(criu, layout);
            receiver.finish();
            receiver.write(nothing_interrupts());
            REQUIRE(receiver.memory() <= capacity);
            REQUIRE(test::read(temp / "pages-1.img") == page('a') + page('b') + page('c'));
            REQUIRE(test::read(temp / "pages-2.img").empty());
            REQUIRE(test::read(temp / "pages-3.img") == page('d'));
            const std::string shmem = test::read(temp / "pagemap-shmem-7.img");
            using namespace std::string_literals;
            // The head names pages-3.img; then address 0, the count, the flags.
            REQUIRE(shmem ==
                    magic() + "\2\0\0\0\x08\3"s +
                        (layout.wide_counts ? "\x08\0\0\0\x08\0\x10\0\x20\4\x28\1"s : "\6\0\0\0\x08\0\x10\1\x20\4"s));
            REQUIRE(test::read(temp / "pagemap-11.img") == magic() + "\2\0\0\0\x08\2"s);
            REQUIRE(test::read(temp / "pagemap-10.img").size() > shmem.size());
        }
    }
}

TEST_CASE("a conversation that breaks off is an error") {
    const std::string open = header(kWide, kOpen, 0, 0, process(1));
    const std::vector<std::string> ends{"",
                                        open,
                                        open.substr(0, 9),
                                        open + header(kWide, add_with(kPresent), 2, 0, process(1)) + page('a'),
                                        header(kWide, add_with(kPresent), 1, 0, process(1)) + page('a'),
                                        open + header(kWide, add_with(0), 1, 0, process(1)),
                                        open + header(kWide, add_with(1), 1, 0, process(1)),
                                        header(kWide, 99, 0, 0, 0),
                                        header(kWide, kOpen, 0, 0, 3)};
    for (const std::string& text : ends) {
        const TempDir temp;
        Receiver receiver(temp.path(), kWide, 0, 1 << 20);
        Criu criu(receiver);
        criu.send(text);
        criu.end();
        REQUIRE(test::error_of([&] { receiver.finish(); }).kind() == Kind::failed);
    }
}

TEST_CASE("writing behind can be interrupted, and a receiver that nobody needs any more ends") {
    const TempDir temp;
    sys::Interrupts passed{Clock::now() - std::chrono::seconds(1)};
    {
        Receiver receiver(temp.path(), kWide, 0, 1 << 20);
        Criu criu(receiver);
        send_dump(criu, kWide);
        receiver.finish();
        REQUIRE(receiver.memory() == 4 * kPageSize);
        REQUIRE_THROWS_AS(receiver.write(passed), Error);
    }
    Receiver receiver(temp.path(), kWide, 0, 1 << 20);
    const Criu criu(receiver);
    criu.send(header(kWide, kOpen, 0, 0, process(1)));
}

}  // namespace
}  // namespace stasis::pages
