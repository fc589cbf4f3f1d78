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

/// Pages of which no two are equal, and none those of another seed.
std::string different_pages(std::size_t count, std::uint32_t seed) {
    std::vector<std::uint64_t> words(count * kPageSize / sizeof(std::uint64_t));
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = std::uint64_t{seed} << 32 | i;
    return {reinterpret_cast<const char*>(words.data()), count * kPageSize};
}

std::string hashes_of(const std::string& pages) {
    const std::vector<Hash> hashes = sys::hash_pages(bytes_of(pages));
    return {reinterpret_cast<const char*>(hashes.data()), hashes.size() * sizeof(Hash)};
}

TEST_CASE("of a buffer that is full no more is written than must be while the target stands still") {
    constexpr std::size_t kMebibyte = (1 << 20) / kPageSize;
    const TempDir first;
    const std::string shared_half = different_pages(8 * kMebibyte, 2);
    dump_into(first, 32 << 20, std::nullopt, {{process(2), {{0, shared_half}}}});
    for (const bool has_parent : {false, true}) {
        INFO(has_parent);
        const std::string own_half = different_pages(8 * kMebibyte, 5);
        const std::vector<std::string> memory{different_pages(10 * kMebibyte, 1), shared_half + own_half,
                                              different_pages(11 * kMebibyte, 3), different_pages(2 * kMebibyte, 4)};
        std::vector<std::string> kept = memory;
        if (has_parent) kept[1] = own_half;
        const std::size_t capacity = has_parent ? 20 << 20 : 28 << 20;
        const TempDir folder;
        std::optional<Parent> parent;
        if (has_parent) parent = Parent::load(first.path(), records_of(first));
        Receiver receiver(folder.path(), kWide, 0, capacity, {std::move(parent), {}});
        std::vector<std::pair<std::uint64_t, Memory>> images;
        for (std::size_t i = 0; i < memory.size(); ++i) images.push_back({process(i + 1), {{0, memory[i]}}});
        send_all(Criu(receiver), images);
        receiver.finish();
        // Missing are 11 MiB; 16 are written at once.
        const auto bytes_in = [&](const char* name) {
            return test::exists(folder / name) ? std::filesystem::file_size(folder / name) : 0;
        };
        REQUIRE(bytes_in("pages-1.img") == 10 << 20);
        REQUIRE(bytes_in("pages-2.img") == 6 << 20);
        REQUIRE(bytes_in("pages-3.img") == 0);
        receiver.write(nothing_interrupts());
        REQUIRE(receiver.memory() == capacity);
        for (std::size_t i = 0; i < kept.size(); ++i) {
            const std::string number = std::to_string(i + 1);
            REQUIRE((test::read(folder / ("pages-" + number + ".img")) == kept[i]));
            REQUIRE((test::read(folder / ("hashes-" + number + ".img")) == hashes_of(kept[i])));
        }
        REQUIRE(flags_of(folder, "pagemap-2.img") == (has_parent ? "0+2048pl 2048+2048wl " : "0+4096wl "));
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
