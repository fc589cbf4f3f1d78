#include "lib/inspect/expectations.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "lib/proc/elf.h"
#include "lib/sys/child.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::inspect {
namespace {

using sys::Path;
using test::TempDir;

template <typename Record>
std::string bytes_of(const Record& record) {
    return {reinterpret_cast<const char*>(&record), sizeof record};
}

/// An ELF file that is nothing but headers and a segment of notes: another note, then the build-id.
std::string elf_with(const std::string& id, std::size_t alignment) {
    const auto pad = [&](std::string text) {
        return text.append((alignment - text.size() % alignment) % alignment, '\0');
    };
    const Elf64_Nhdr other{4, 1, 1};
    const Elf64_Nhdr note{4, static_cast<Elf64_Word>(id.size()), NT_GNU_BUILD_ID};
    const std::string name("GNU", 4);
    const std::string notes = pad(pad(bytes_of(other) + name) + "x") + pad(pad(bytes_of(note) + name) + id);
    Elf64_Ehdr file{};
    std::memcpy(file.e_ident, ELFMAG, SELFMAG);
    file.e_ident[EI_CLASS] = ELFCLASS64;
    file.e_ident[EI_DATA] = ELFDATA2LSB;
    file.e_phoff = sizeof file;
    file.e_phnum = 2;
    Elf64_Phdr load{};
    load.p_type = PT_LOAD;
    Elf64_Phdr header{};
    header.p_type = PT_NOTE;
    header.p_offset = sizeof file + 2 * sizeof header;
    header.p_filesz = notes.size();
    header.p_align = alignment;
    return bytes_of(file) + bytes_of(load) + bytes_of(header) + notes;
}

std::string id_of(const TempDir& temp, const std::string& content) {
    test::write(temp / "elf", content);
    return proc::build_id(sys::open_path(temp / "elf", O_RDONLY).get());
}

TEST_CASE("a build-id is found among other notes, whatever their padding") {
    const TempDir temp;
    const std::string id("\x01\x23\xab\xff\x80", 5);
    REQUIRE(id_of(temp, elf_with(id, 4)) == "0123abff80");
    REQUIRE(id_of(temp, elf_with(id, 8)) == "0123abff80");
}

TEST_CASE("what is no ELF file, or cut off anywhere, has no build-id") {
    const TempDir temp;
    REQUIRE(id_of(temp, "").empty());
    REQUIRE(id_of(temp, "#!/bin/sh\n").empty());
    const std::string whole = elf_with(std::string(20, 'x'), 4);
    for (std::size_t length = 0; length < whole.size(); ++length) REQUIRE(id_of(temp, whole.substr(0, length)).empty());
    std::string huge = whole;
    std::fill(huge.begin() + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 8,
              huge.begin() + sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr), '\xff');
    REQUIRE(id_of(temp, huge).empty());
}

/// A child that has `path` open as its standard input, with these flags.
class Holder {
  public:
    Holder(const Path& path, int flags) : fd_(sys::open_path(path, flags)) {
        sys::Command command;
        command.args = {"sleep", "60"};
        command.in = fd_.get();
        child_.emplace(sys::Child::start(command));
        while (sys::read_link("/proc/" + std::to_string(child_->pid()) + "/exe") == sys::read_link("/proc/self/exe")) {
        }
    }
    ~Holder() { child_->signal(SIGKILL); }
    Expectations expectations(const Scope& surroundings) const {
        return record_expectations(proc::read_stat(child_->pid())->id, surroundings);
    }
    pid_t pid() const { return child_->pid(); }

  private:
    sys::UniqueFd fd_;
    std::optional<sys::Child> child_;
};

const ExpectedFile* find(const Expectations& expected, const Path& path) {
    const auto found = std::find_if(expected.files.begin(), expected.files.end(),
                                    [&](const ExpectedFile& file) { return file.path == path; });
    return found == expected.files.end() ? nullptr : &*found;
}

const Scope kBare{{{"/", "/"}}, true, false, false};

TEST_CASE("of a bare tree every file is expected, and its program with a size") {
    const TempDir temp;
    test::write(temp / "data", "0123456789");
    REQUIRE(::chmod((temp / "data").c_str(), 0640) == 0);
    const Holder holder(temp / "data", O_RDWR);
    const Expectations expected = holder.expectations(kBare);
    const ExpectedFile* data = find(expected, temp / "data");
    REQUIRE(data != nullptr);
    REQUIRE(data->size == 10);
    REQUIRE(data->mode == (S_IFREG | 0640));
    REQUIRE(data->mtime_ns > 0);
    const ExpectedFile* program =
        find(expected, sys::read_link("/proc/" + std::to_string(holder.pid()) + "/exe").value());
    REQUIRE(program != nullptr);
    REQUIRE(program->size > 1000U);
    REQUIRE(std::is_sorted(expected.pids.begin(), expected.pids.end()));
    REQUIRE(std::count(expected.pids.begin(), expected.pids.end(), holder.pid()) == 1);
    for (const ExpectedFile& file : expected.files) REQUIRE_FALSE(file.path.starts_with("/proc/"));
}

TEST_CASE("a log may grow, unless another descriptor says no") {
    const TempDir temp;
    test::write(temp / "log", "x");
    const Holder log(temp / "log", O_WRONLY | O_APPEND);
    const Expectations expected = log.expectations(kBare);
    REQUIRE(find(expected, temp / "log") != nullptr);
    REQUIRE_FALSE(find(expected, temp / "log")->size);
    const Holder both(temp / "log", O_RDWR | O_APPEND);
    REQUIRE(find(both.expectations(kBare), temp / "log")->size == 1);
}

TEST_CASE("a deleted file is in the checkpoint") {
    const TempDir temp;
    test::write(temp / "gone", "x");
    const Holder holder(temp / "gone", O_RDONLY);
    std::filesystem::remove(temp / "gone");
    test::write(temp / "gone (deleted)", "another");
    REQUIRE(find(holder.expectations(kBare), temp / "gone") == nullptr);
    REQUIRE(find(holder.expectations(kBare), temp / "gone (deleted)") == nullptr);
}

TEST_CASE("only files in a place that is not kept are expected, by their path on the host") {
    const TempDir temp;
    test::write(temp / "host" / "data", "x");
    const Holder holder(temp / "host" / "data", O_RDONLY);
    // As the target sees it and as the host does: here both the same.
    const Expectations inside = holder.expectations({{{temp / "host", temp / "host"}}, false, false, false});
    REQUIRE(inside.files.size() == 1);
    REQUIRE(inside.files[0].path == temp / "host" / "data");
    REQUIRE(inside.pids.empty());
    REQUIRE(inside.cgroups.mode.empty());
    REQUIRE(holder.expectations({{{temp / "hos", temp / "host"}}, false, false, false}).files.empty());
    // What lies at the other path is another file.
    test::write(temp / "other" / "data", "x");
    REQUIRE(holder.expectations({{{temp / "host", temp / "other"}}, false, false, false}).files.empty());
    // The closest place counts.
    REQUIRE(holder.expectations({{{"/", "/"}, {temp / "host", temp / "other"}}, false, false, false}).files.size() > 1);
    REQUIRE(find(holder.expectations({{{"/", "/"}, {temp / "host", temp / "other"}}, false, false, false}),
                 temp / "host" / "data") == nullptr);
}

TEST_CASE("control groups of this process are among those of the host") {
    const Expectations expected = record_expectations(proc::read_stat(::getpid())->id, {{}, false, false, true});
    const ExpectedCgroups available = available_cgroups();
    REQUIRE(expected.cgroups.mode == available.mode);
    for (const std::string& name : expected.cgroups.controllers)
        REQUIRE(std::count(available.controllers.begin(), available.controllers.end(), name) == 1);
}

}  // namespace
}  // namespace stasis::inspect
