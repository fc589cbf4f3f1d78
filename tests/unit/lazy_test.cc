#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <string>

#include "lib/pages/lazy.h"
#include "tests/unit/catch.h"
#include "tests/unit/page_client.h"
#include "tests/unit/support.h"

namespace stasis::pages {
namespace {

using test::TempDir;

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

}  // namespace
}  // namespace stasis::pages
