#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/pages/receiver.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

/// A CRIU that hands over pages, for tests of whoever takes them.
namespace stasis::pages {

constexpr Layout kNarrow{24, false};
constexpr Layout kWide{32, true};

std::span<const std::byte> bytes_of(const std::string& text);

/// A header as this version of CRIU sends it.
std::string header(const Layout& layout, std::uint32_t command, std::uint64_t count, std::uint64_t address,
                   std::uint64_t image);

constexpr std::uint32_t kOpen = 4;
constexpr std::uint32_t kParent = 5;
constexpr std::uint32_t kClose = 0x1023;
constexpr std::uint32_t add_with(std::uint32_t flags) { return 6 | flags << 16; }
constexpr std::uint64_t process(std::uint64_t pid) { return pid << 8 | 1; }
constexpr std::uint64_t shared(std::uint64_t id) { return id << 8 | 2; }
std::string page(char byte);

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

/// Everything that CRIU says of the memory of one image: addresses and pages.
using Memory = std::vector<std::pair<std::uint64_t, std::string>>;

/// CRIU's part of a dump, until it has no more to say.
void send_all(const Criu& criu, const std::vector<std::pair<std::uint64_t, Memory>>& images);
/// A whole dump.
void dump_into(const test::TempDir& folder, std::size_t capacity, std::optional<Parent> parent,
               const std::vector<std::pair<std::uint64_t, Memory>>& images);

FileRecords records_of(const test::TempDir& folder);
/// The entries of a pagemap: the page, the count, and `p` in the parent, `w` written here, `l` may come lazily.
std::string flags_of(const test::TempDir& folder, const char* pagemap);

}  // namespace stasis::pages
