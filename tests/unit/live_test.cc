#include "lib/pages/live.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "lib/proc/own_memory.h"
#include "lib/sys/checksum.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::pages {
namespace {

using test::nothing_interrupts;
using test::TempDir;

constexpr Layout kWide{32, true};
const ImageId kOurs{ImageKind::process, 7};
constexpr std::size_t kPages = 8;

/// Private memory of this very process.
class Mapping {
  public:
    explicit Mapping(int fd = -1)
        : start_(static_cast<char*>(::mmap(nullptr, kPages * kPageSize, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0))) {}
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { (void)::munmap(start_, kPages * kPageSize); }

    char* page(std::size_t number) const { return start_ + number * kPageSize; }
    std::uint64_t address(std::size_t number) const { return reinterpret_cast<std::uint64_t>(page(number)); }

  private:
    char* start_;
};

std::optional<proc::Stretch> own_at(std::uint64_t address) {
    for (const proc::Stretch& stretch : proc::own_memory(::getpid()))
        if (stretch.address <= address && address < stretch.address + stretch.bytes) return stretch;
    return std::nullopt;
}

FileRecords copy(const sys::Path& folder, std::optional<Parent> parent) {
    sys::make_directory(folder, 0700);
    sys::Interrupts& interrupts = nothing_interrupts();
    (void)copy_live(
        {{kOurs, ::getpid()}}, folder, kWide, std::move(parent), [](const auto&, auto) {}, interrupts);
    return sys::record_tree(folder, interrupts);
}

std::uint32_t flags_at(const sys::Path& folder, std::uint64_t address) {
    for (const Entry& entry : read_pagemap(folder / pagemap_name(kOurs)).entries)
        if (entry.address <= address && address < entry.end()) return entry.flags;
    return 0;
}

TEST_CASE("memory of its own is what a process has written") {
    const TempDir folder;
    test::write(folder / "file", std::string(kPages * kPageSize, 'f'));
    const sys::UniqueFd file = sys::open_path(folder / "file", O_RDONLY);
    const Mapping anonymous;
    const Mapping mapped(file.get());
    *anonymous.page(1) = 'a';
    REQUIRE(*mapped.page(1) == 'f');
    *mapped.page(2) = 'm';
    REQUIRE_FALSE(own_at(anonymous.address(0)));
    REQUIRE(own_at(anonymous.address(1))->can_be_lazy);
    REQUIRE_FALSE(own_at(mapped.address(1)));
    REQUIRE_FALSE(own_at(mapped.address(2))->can_be_lazy);
    REQUIRE(::mlock(anonymous.page(1), kPageSize) == 0);
    REQUIRE_FALSE(own_at(anonymous.address(1))->can_be_lazy);
    REQUIRE(::munlock(anonymous.page(1), kPageSize) == 0);
    REQUIRE(proc::own_memory(0).empty());
    REQUIRE(proc::pids_in_namespaces(::getpid()).front() == ::getpid());
    REQUIRE(proc::pids_in_namespaces(0).empty());
}

TEST_CASE("a round through live memory holds what the one before does not") {
    const TempDir folder;
    const Mapping memory;
    for (std::size_t i = 0; i < kPages; ++i) std::memset(memory.page(i), static_cast<int>('a' + i), kPageSize);
    REQUIRE(::mprotect(memory.page(6), kPageSize, PROT_NONE) == 0);

    std::optional<Parent> first = Parent::load(folder / "1", copy(folder / "1", std::nullopt));
    REQUIRE(first);
    const std::span<const Hash> known = first->from(kOurs, memory.address(0));
    REQUIRE(known.size() >= kPages);
    for (const std::size_t i : {std::size_t{0}, std::size_t{5}, std::size_t{6}}) {
        const std::string page(kPageSize, static_cast<char>('a' + i));
        REQUIRE(known[i] == sys::hash_pages(std::as_bytes(std::span(page))).front());
    }

    *memory.page(3) = 'x';
    const FileRecords records = copy(folder / "2", std::move(first));
    REQUIRE(flags_at(folder / "2", memory.address(2)) == (kInParent | kLazyInParent));
    REQUIRE(flags_at(folder / "2", memory.address(3)) == (kPresent | kLazy));
    const std::optional<Parent> second = Parent::load(folder / "2", records);
    REQUIRE(second);
    const std::string changed = "x" + std::string(kPageSize - 1, 'd');
    REQUIRE(second->from(kOurs, memory.address(3)).front() ==
            sys::hash_pages(std::as_bytes(std::span(changed))).front());
    REQUIRE(records_below(records, "parent/").size() == 3);
}

}  // namespace
}  // namespace stasis::pages
