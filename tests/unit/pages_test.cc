#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <future>
#include <string>
#include <vector>

#include "lib/pages/lazy.h"
#include "lib/pages/plain.h"
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
        for (const std::uint32_t command : {0U, 1U, 3U, 8U, 0x1022U, kOpen | 1U << 16})
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
    for (const std::size_t capacity : {std::size_t{1} << 20, 2 * kPageSize, kPageSize}) {
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

FileRecords records_of(const TempDir& folder) { return sys::record_tree(folder.path(), nothing_interrupts()); }

/// Everything that CRIU says of the memory of one image: addresses and pages.
using Memory = std::vector<std::pair<std::uint64_t, std::string>>;

void dump_into(const TempDir& folder, std::size_t capacity, std::optional<Parent> parent,
               const std::vector<std::pair<std::uint64_t, Memory>>& images) {
    Receiver receiver(folder.path(), kWide, 0, capacity, {std::move(parent), {}});
    const Criu criu(receiver);
    for (const auto& [image, memory] : images) {
        (void)criu.ask(header(kWide, kOpen, 0, 0, image), 1);
        for (const auto& [address, pages] : memory)
            criu.send(header(kWide, add_with(kPresent | 2), pages.size() / kPageSize, address, image) + pages);
    }
    (void)criu.ask(header(kWide, kClose, 0, 0, 0), 4);
    receiver.finish();
    receiver.write(nothing_interrupts());
}

std::string flags_of(const TempDir& folder, const char* pagemap) {
    std::string text;
    for (const Entry& entry : read_pagemap(folder / pagemap).entries)
        text += std::to_string(entry.address >> 12) + "+" + std::to_string(entry.pages) +
                ((entry.flags & kInParent) != 0 ? "p" : "") + ((entry.flags & kPresent) != 0 ? "w" : "") +
                ((entry.flags & (kLazy | kLazyInParent)) != 0 ? "l " : " ");
    return text;
}

/// What a page server gives for one question: "ADDRESS+PAGES ", and the pages.
class Asker {
  public:
    explicit Asker(const sys::Path& images) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        ours_.reset(ends[0]);
        server_ = std::async(std::launch::async, [images, number = ends[1]] {
            const sys::UniqueFd socket(number);
            serve_pages(images, kWide, socket.get());
        });
    }

    std::string ask(std::uint64_t pid, std::uint64_t address, std::uint64_t count) const {
        const std::string question = header(kWide, 7, count, address, pid);
        REQUIRE(::send(ours_.get(), question.data(), question.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(question.size()));
        const std::optional<Header> answer = parse_header(kWide, bytes_of(take(kWide.header_size)));
        if (!answer) return "nothing";
        REQUIRE((answer->command == Command::add && answer->flags == kPresent && answer->image == pid));
        return std::to_string(answer->address >> 12) + "+" + std::to_string(answer->count) + " " +
               take(answer->count * kPageSize);
    }
    /// Ends the server, which throws what went wrong.
    void end() {
        ours_.reset();
        server_.get();
    }

  private:
    std::string take(std::size_t size) const {
        std::string bytes(size, '\0');
        const ssize_t got = ::recv(ours_.get(), bytes.data(), size, MSG_WAITALL);
        return bytes.substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }

    sys::UniqueFd ours_;
    std::future<void> server_;
};

TEST_CASE("a lazy restore gets the pages of all checkpoints that this one builds upon") {
    const TempDir first, second, third, lazy;
    dump_into(first, 1 << 20, std::nullopt, {{process(10), {{0x1000, page('a') + page('b') + page('c')}}}});
    dump_into(second, 1 << 20, Parent::load(first.path(), records_of(first)),
              {{process(10), {{0x1000, page('a') + page('B') + page('c')}}}});
    dump_into(third, 1 << 20, Parent::load(second.path(), records_of(second)),
              {{process(10), {{0x1000, page('a') + page('B') + page('C')}}}});
    REQUIRE_FALSE(has_lazy_in_parent(first.path()));
    REQUIRE(has_lazy_in_parent(third.path()));
    make_lazy(third.path(), lazy / "images", kWide);
    const Pagemap pagemap = read_pagemap(lazy / "images" / "pagemap-10.img");
    REQUIRE(pagemap.entries.size() == 2);
    REQUIRE((pagemap.entries[0].flags == kLazy && pagemap.entries[0].pages == 2));
    REQUIRE((pagemap.entries[1].flags == (kLazy | kPresent) && pagemap.entries[1].pages == 1));
    REQUIRE(lazy_bytes(lazy / "images") == 3 * kPageSize);
    REQUIRE(flags_of(third, "pagemap-10.img") == "1+2pl 3+1wl ");  // as it was

    Asker asker(lazy / "images");
    REQUIRE(asker.ask(10, 0x1000, 3) == "1+3 " + page('a') + page('B') + page('C'));
    REQUIRE(asker.ask(10, 0x2000, 2) == "2+2 " + page('B') + page('C'));
    REQUIRE(asker.ask(10, 0x3000, 1) == "3+1 " + page('C'));
    REQUIRE_NOTHROW(asker.end());
    Asker second_asker(first.path());
    REQUIRE(second_asker.ask(10, 0x2000, 2) == "2+2 " + page('b') + page('c'));
    REQUIRE_NOTHROW(second_asker.end());
    Asker wrong(first.path());
    REQUIRE(wrong.ask(10, 0x4000, 1) == "nothing");
    REQUIRE_THROWS_AS(wrong.end(), Error);
}

TEST_CASE("pages that an earlier checkpoint has at the same place are not written again") {
    for (const std::size_t capacity : {std::size_t{1} << 20, 3 * kPageSize}) {
        const TempDir first, second, third;
        dump_into(first, capacity, std::nullopt,
                  {{process(10), {{0x1000, page('a') + page('b') + page('c')}, {0x9000, page('d')}}},
                   {shared(7), {{0, page('s') + page('t')}}}});
        REQUIRE_FALSE(std::filesystem::exists(first / "parent"));

        // One page changed, one moved, one new; another task under a new pid; shared memory as it was.
        dump_into(second, capacity, Parent::load(first.path(), records_of(first)),
                  {{process(10), {{0x1000, page('a') + page('B') + page('c') + page('n')}, {0x7000, page('d')}}},
                   {process(11), {{0x1000, page('a')}}},
                   {shared(7), {{0, page('s') + page('t')}}}});
        REQUIRE(flags_of(second, "pagemap-10.img") == "1+1pl 2+1wl 3+1pl 4+1wl 7+1wl ");
        REQUIRE(flags_of(second, "pagemap-11.img") == "1+1wl ");
        REQUIRE(flags_of(second, "pagemap-shmem-7.img") == "0+2pl ");
        REQUIRE(test::read(second / "pages-1.img") == page('B') + page('n') + page('d'));
        REQUIRE(test::read(second / "hashes-1.img").size() == 3 * sizeof(Hash));
        REQUIRE(test::read(second / "parent" / "pages-1.img") == test::read(first / "pages-1.img"));

        // What the second has not written it still knows; what it no longer has is gone.
        dump_into(third, capacity, Parent::load(second.path(), records_of(second)),
                  {{process(10), {{0x1000, page('a') + page('B') + page('c')}, {0x9000, page('d')}}}});
        REQUIRE(flags_of(third, "pagemap-10.img") == "1+3pl 9+1wl ");
        REQUIRE(std::filesystem::exists(third / "parent" / "parent" / "pages-1.img"));
    }
}

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

TEST_CASE("a parent that has nothing is not kept, and one that keeps too much is not worth it") {
    const TempDir first, second;
    dump_into(first, 1 << 20, std::nullopt, {{process(1), {{0x1000, page('a') + page('b') + page('c')}}}});
    dump_into(second, 1 << 20, Parent::load(first.path(), records_of(first)),
              {{process(1), {{0x1000, page('x') + page('y') + page('z')}}}});
    REQUIRE(flags_of(second, "pagemap-1.img") == "1+3wl ");
    REQUIRE_FALSE(std::filesystem::exists(second / "parent"));

    // The first's three pages are kept, and what the next wrote of its own.
    for (const auto& [memory, is_worth_it] : {std::pair(page('a') + page('x') + page('y') + page('z'), true),
                                              std::pair(page('a') + page('x') + page('y'), true),
                                              std::pair(page('a') + page('x'), true), std::pair(page('a'), false)}) {
        const TempDir next;
        dump_into(next, 1 << 20, Parent::load(first.path(), records_of(first)), {{process(1), {{0x1000, memory}}}});
        REQUIRE(std::filesystem::exists(next / "parent"));
        REQUIRE(Parent::load(next.path(), records_of(next))->is_worth_it() == is_worth_it);
    }
}

TEST_CASE("nothing is built upon damage") {
    const TempDir first;
    dump_into(first, 1 << 20, std::nullopt, {{process(1), {{0x1000, page('a') + page('b') + page('c')}}}});
    const FileRecords sealed = records_of(first);
    REQUIRE(Parent::load(first.path(), sealed));
    for (const char* name : {"hashes-1.img", "pagemap-1.img"}) {
        const std::string whole = test::read(first / name);
        for (const std::string& broken : {whole.substr(1), std::string("x") + whole.substr(1)}) {
            test::write(first / name, broken);
            REQUIRE(test::error_of([&] { (void)Parent::load(first.path(), sealed); }).kind() == Kind::damaged);
            // Even where its records are of what is there now, it makes no sense, or knows another page.
            if (std::string(name) == "pagemap-1.img")
                REQUIRE(test::error_of([&] { (void)Parent::load(first.path(), records_of(first)); }).kind() ==
                        Kind::damaged);
        }
        test::write(first / name, whole);
    }
    test::write(first / "pages-1.img", page('a'));
    REQUIRE(test::error_of([&] { (void)Parent::load(first.path(), sealed); }).kind() == Kind::damaged);
    std::filesystem::remove(first / "pages-1.img");
    REQUIRE(test::error_of([&] { (void)Parent::load(first.path(), sealed); }).kind() == Kind::damaged);
    std::filesystem::remove(first / "hashes-1.img");
    REQUIRE_FALSE(Parent::load(first.path(), records_of(first)));  // pages that CRIU wrote itself
}

/// Memory that compresses well, but not to nothing.
std::string text_of_pages(std::size_t pages) {
    std::string text;
    for (std::size_t i = 0; text.size() < pages * kPageSize; ++i) text += "word " + std::to_string(i * i) + " ";
    return text.substr(0, pages * kPageSize);
}

void write_pages_file(const sys::Path& path, const Compression& compression, const std::string& memory) {
    PagesFile file(path, compression, PageCache::used);
    for (std::size_t done = 0, step = kPageSize; done < memory.size(); done += step, step *= 3) {
        file.open();
        file.append(bytes_of(memory).subspan(done, std::min(step, memory.size() - done)));
        file.close();
    }
    file.finish();
    const TempDir folder;
    std::filesystem::copy_file(path.parent_path() / file.name(), folder / "copy");
    REQUIRE(file.record() == records_of(folder)["copy"]);
}

TEST_CASE("compressed pages are what they were, for the codecs' own tools as well") {
    for (const auto& [text, tool] : {std::pair("lz4", "lz4"), {"zstd", "zstd"}, {"zstd:9", "zstd"}})
        for (const std::size_t pages : {0, 1, 255, 256, 257, 20 * 256 + 3}) {
            const TempDir temp;
            const std::string memory = text_of_pages(pages);
            const Compression compression = compression_from(text);
            write_pages_file(temp / "pages-1.img", compression, memory);
            const sys::Path packed = temp / ("pages-1.img" + suffix_of(compression.codec));
            REQUIRE(is_pages_image(packed.filename()));
            REQUIRE((pages < 255 || std::filesystem::file_size(packed) < memory.size() / 2));
            REQUIRE(plain_size(packed) == memory.size());
            REQUIRE(plain_bytes(temp.path()) == memory.size());
            const TempDir plain;
            make_plain(temp.path(), plain / "images", nothing_interrupts());
            REQUIRE(test::read(plain / "images" / "pages-1.img") == memory);
            if (pages == 257 && std::string(tool) == "zstd") {
                REQUIRE(std::system(("zstd -q -d -o " + (plain / "tool").string() + " " + packed.string()).c_str()) ==
                        0);
                REQUIRE(test::read(plain / "tool") == memory);
            }
        }
    for (const char* text : {"", "gzip", "zstd:", "zstd:0", "zstd:x", "zstd:99", "zstd:3x", "lz4:1", "zst"})
        REQUIRE(test::error_of([&] { (void)compression_from(text); }).kind() == Kind::usage);
}

TEST_CASE("a compressed image with any byte changed, or cut short, is not decompressed into something else") {
    for (const char* codec : {"lz4", "zstd"}) {
        const TempDir temp;
        const std::string memory = text_of_pages(300);
        write_pages_file(temp / "pages-1.img", compression_from(codec), memory);
        const sys::Path packed = temp / ("pages-1.img" + suffix_of(compression_from(codec).codec));
        const std::string whole = test::read(packed);
        const auto refused_or_same = [&](const std::string& broken) {
            test::write(packed, broken);
            std::filesystem::remove(temp / "out");
            try {
                decompress_file(packed, temp / "out", nothing_interrupts());
            } catch (const Error& error) {
                return error.kind() == Kind::damaged;
            }
            return test::read(temp / "out") == memory;
        };
        for (std::size_t at = 0; at < whole.size(); at += at < 64 || whole.size() - at < 64 ? 1 : 997) {
            std::string broken = whole;
            broken[at] = static_cast<char>(~broken[at]);
            REQUIRE(refused_or_same(broken));
        }
        for (const std::size_t length : {std::size_t{0}, std::size_t{5}, whole.size() / 2, whole.size() - 1})
            REQUIRE(test::error_of([&] {
                        test::write(packed, whole.substr(0, length));
                        (void)plain_size(packed);
                    }).kind() == Kind::damaged);
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
