#include "lib/store/store.h"

#include <unistd.h>

#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::store {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

/// A container of this very process, so that no other run has its host lock.
std::string own_container() { return "unit-" + std::to_string(::getpid()); }

void make_sealed(const Location& location, const std::string& created) {
    std::filesystem::create_directories(location.folder);
    Partial partial = Partial::begin(location);
    Manifest manifest;
    manifest.created = created;
    partial.seal(manifest, {}, test::nothing_interrupts());
}

TEST_CASE("a store that is not there holds nothing") {
    const TempDir temp;
    const Store store(temp / "none");
    REQUIRE(store.list("", "").empty());
    REQUIRE(store.runtimes_of("web").empty());
    REQUIRE_FALSE(test::exists(temp / "none"));
}

TEST_CASE("list shows what lies there, by container and time") {
    const TempDir temp;
    const Store store(temp.path());
    make_sealed(store.location("runc", "web", "b-early"), "2026-01-01T00:00:00Z");
    make_sealed(store.location("runc", "web", "a-late"), "2026-01-02T00:00:00Z");
    make_sealed(store.location("pid", "7", "only"), "2026-01-03T00:00:00Z");
    const Partial writing = Partial::begin(store.location("pid", "7", "now"));
    std::filesystem::create_directories(temp / "pid/7/dead.partial");
    std::filesystem::create_directories(temp / "pid/7/broken");
    std::filesystem::create_directories(temp / "pid/7/failed-20260101T000000Z/logs");
    test::write(temp / "pid/7/lock", "");

    std::vector<std::string> seen;
    for (const Entry& entry : store.list("", ""))
        seen.push_back(entry.runtime + ":" + entry.container + " " + entry.checkpoint + " " +
                       to_string(entry.found.state));
    REQUIRE(seen == std::vector<std::string>{"pid:7 broken damaged", "pid:7 dead interrupted", "pid:7 now writing",
                                             "pid:7 only sealed", "runc:web b-early sealed", "runc:web a-late sealed"});
    REQUIRE(store.list("runc", "").size() == 2);
    REQUIRE(store.list("runc", "web").size() == 2);
    REQUIRE(store.list("runc", "7").empty());
    REQUIRE(store.runtimes_of("web") == std::vector<std::string>{"runc"});
}

TEST_CASE("files of other people in the store don't stop list") {
    const TempDir temp;
    const Store store(temp.path());
    make_sealed(store.location("runc", "web", "x"), "2026-01-01T00:00:00Z");
    test::write(temp / "README", "what this is");
    test::write(temp / "runc/notes.txt", "more");
    REQUIRE(store.list("", "").size() == 1);
    REQUIRE(store.runtimes_of("web") == std::vector<std::string>{"runc"});
}

TEST_CASE("names never leave the store") {
    const Store store("/nowhere");
    REQUIRE(store.location("runc", "web", "x").path() == "/nowhere/runc/web/x");
    REQUIRE(error_of([&] { (void)store.container_folder("runc", "../etc"); }).kind() == Kind::usage);
    REQUIRE(error_of([&] { (void)store.location("runc", "web", "../x"); }).kind() == Kind::usage);
    REQUIRE(error_of([&] { (void)store.lock("runc", "a/b"); }).kind() == Kind::usage);
}

TEST_CASE("remains of failures are cleared, checkpoints stay") {
    const TempDir temp;
    const Store store(temp.path());
    make_sealed(store.location("runc", "web", "x"), "");
    std::filesystem::create_directories(temp / "runc/web/failed-1/logs");
    std::filesystem::create_directories(temp / "runc/web/y.partial/images");
    store.clear_failures("runc", "web");
    REQUIRE(sys::list_directory(temp / "runc/web") == std::vector<std::string>{"x"});
}

TEST_CASE("a container is taken once, on the whole host") {
    const TempDir temp;
    const Store store(temp / "deep/store");
    if (!test::is_root()) {
        // The host's locks lie where root alone may write.
        REQUIRE(error_of([&] { (void)store.lock("pid", own_container()); }).kind() == Kind::failed);
        return;
    }
    {
        const ContainerLock lock = store.lock("pid", own_container());
        for (const char* folder : {"deep/store", "deep/store/pid"}) REQUIRE(test::mode_of(temp / folder) == 0700);
        REQUIRE(test::mode_of(temp / "deep/store/pid" / own_container()) == 0700);
        const Error same = error_of([&] { (void)store.lock("pid", own_container()); });
        REQUIRE(same.kind() == Kind::busy);
        REQUIRE(contains(same.message(), "pid:" + own_container()));
        REQUIRE(error_of([&] { (void)Store(temp / "other").lock("pid", own_container()); }).kind() == Kind::busy);
        REQUIRE_NOTHROW(store.lock("pid", own_container() + "-b"));
    }
    REQUIRE_NOTHROW(store.lock("pid", own_container()));
    std::filesystem::remove("/run/stasis/pid/" + own_container() + ".lock");
    std::filesystem::remove("/run/stasis/pid/" + own_container() + "-b.lock");
}

TEST_CASE("a store that others can enter is refused") {
    if (!test::is_root()) return;
    const TempDir temp;
    const auto kind_of_lock = [](const Path& root) {
        return error_of([&] { (void)Store(root).lock("pid", own_container()); }).kind();
    };
    for (const char* part : {"", "pid", "pid/unit"}) {
        INFO(part);
        const Path root = temp / ("store" + std::to_string(std::string(part).size()));
        std::filesystem::create_directories(root / "pid" / own_container());
        for (const Path& path : {root, root / "pid", root / "pid" / own_container()})
            REQUIRE(::chmod(path.c_str(), 0700) == 0);
        const Path open = std::string(part) == "pid/unit" ? root / "pid" / own_container() : root / part;
        REQUIRE(::chmod(open.c_str(), 0750) == 0);
        REQUIRE(kind_of_lock(root) == Kind::precondition);
        REQUIRE(::chmod(open.c_str(), 0700) == 0);
        REQUIRE(::chown(open.c_str(), 12345, 0) == 0);
        REQUIRE(kind_of_lock(root) == Kind::precondition);
    }
    std::filesystem::create_directory(temp / "real");
    std::filesystem::create_directory_symlink(temp / "real", temp / "link");
    REQUIRE(kind_of_lock(temp / "link") == Kind::failed);
    std::filesystem::remove("/run/stasis/pid/" + own_container() + ".lock");
}

}  // namespace
}  // namespace stasis::store
