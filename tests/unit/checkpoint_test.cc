#include "lib/store/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "lib/store/names.h"
#include "lib/sys/checksum.h"
#include "lib/sys/lock.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::store {
namespace {

using test::contains;
using test::error_of;
using test::nothing_interrupts;
using test::TempDir;

/// Fills a partial with images, a root file system and runtime files, and seals it.
Manifest seal(Partial& partial) {
    const Folders folders = partial.folders();
    test::write(folders.images() / "core-1.img", "core of one");
    test::write(folders.images() / "pages-1.img", std::string(5000, 'p'));
    test::write(folders.runtime() / "config.json", "{}");
    test::write(folders.logs() / "dump.log", "log");
    test::write(folders.rootfs() / "etc" / "passwd", "root");
    test::write(folders.rootfs() / "odd \n\xff name", "odd");
    test::write(folders.rootfs() / "empty", "");
    std::filesystem::create_symlink("etc/passwd", folders.rootfs() / "link");
    Manifest manifest;
    manifest.runtime = "runc";
    manifest.container = "c";
    manifest.checkpoint = "x";
    manifest.kind = "snapshot";
    for (const auto& [path, record] : sys::record_tree(folders.rootfs(), nothing_interrupts()))
        manifest.files["rootfs/" + path] = record;
    partial.seal(manifest, {}, nothing_interrupts());
    return manifest;
}

Manifest make_sealed(const Location& location) {
    Partial partial = Partial::begin(location);
    return seal(partial);
}

std::vector<std::string> names_in(const Path& folder) { return sys::list_directory(folder); }

TEST_CASE("names of containers and checkpoints are one plain path component") {
    for (const std::string& name : {std::string("a"), std::string("web-7"), std::string("A.b_c+d:e@f"),
                                    std::string("_x"), std::string("20261122T134500Z"), std::string(200, 'n')}) {
        INFO(name);
        REQUIRE_NOTHROW(check_container_name(name));
        REQUIRE_NOTHROW(check_checkpoint_name(name));
    }
    for (const std::string& name :
         {std::string(), std::string("."), std::string(".."), std::string(".hidden"), std::string("-dash"),
          std::string("a/b"), std::string("../a"), std::string("/a"), std::string("a b"), std::string("a\nb"),
          std::string("a\0b", 3), std::string("\xc3\xa4"), std::string("a*"), std::string("a%"), std::string("$x"),
          std::string(201, 'n')}) {
        INFO(name);
        const Error error = error_of([&] { check_container_name(name); });
        REQUIRE(error.kind() == Kind::usage);
        REQUIRE(contains(error.message(), "'" + name + "'"));
        REQUIRE(error_of([&] { check_checkpoint_name(name); }).kind() == Kind::usage);
    }
}

TEST_CASE("names that the store needs are refused for checkpoints only") {
    for (const char* name : {"lock", "x.partial", "failed-20261122T134500Z"}) {
        INFO(name);
        REQUIRE(error_of([&] { check_checkpoint_name(name); }).kind() == Kind::usage);
        REQUIRE_NOTHROW(check_container_name(name));
    }
}

TEST_CASE("a partial becomes a sealed checkpoint under its name") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    Partial partial = Partial::begin(location);
    REQUIRE(partial.folders().root == temp / "x.partial");
    REQUIRE(test::mode_of(temp / "x.partial") == 0700);
    REQUIRE(test::mode_of(partial.folders().images()) == 0755);
    REQUIRE(test::mode_of(partial.folders().runtime()) == 0700);
    REQUIRE(test::mode_of(partial.folders().logs()) == 0700);
    REQUIRE(look_at(location).state == State::writing);
    REQUIRE(error_of([&] { (void)read_manifest(location); }).kind() == Kind::not_found);

    const Manifest written = seal(partial);
    REQUIRE(partial.sealed());
    REQUIRE(names_in(temp.path()) == std::vector<std::string>{"x"});
    REQUIRE(partial.folders().root == temp / "x");
    REQUIRE(test::mode_of(temp / "x" / "manifest.json") == 0600);
    const Found found = look_at(location);
    REQUIRE(found.state == State::sealed);
    REQUIRE(found.manifest->files == written.files);
    REQUIRE(found.manifest->files.contains("images/pages-1.img"));
    REQUIRE(found.manifest->files.contains("runtime/config.json"));
    REQUIRE(found.manifest->files.contains("rootfs/etc/passwd"));
    REQUIRE_FALSE(found.manifest->files.contains("logs/dump.log"));
    REQUIRE(found.manifest->image_bytes == 11 + 5000);
    REQUIRE(found.manifest->rootfs_bytes == 4 + 3);
    REQUIRE(verify(location, *found.manifest, nothing_interrupts()).empty());
}

TEST_CASE("a partial that is given up keeps nothing but its logs") {
    const TempDir temp;
    {
        Partial partial = Partial::begin({temp.path(), "x"});
        test::write(partial.folders().images() / "core-1.img", "core");
        test::write(partial.folders().logs() / "dump.log", "why");
    }
    {
        Partial partial = Partial::begin({temp.path(), "x"});
        test::write(partial.folders().logs() / "dump.log", "why again");
        const Path logs = partial.abandon();
        REQUIRE(test::read(logs / "dump.log") == "why again");
    }
    const std::vector<std::string> names = names_in(temp.path());
    REQUIRE(names.size() == 2);  // within one second, and still two names
    for (const std::string& name : names) {
        REQUIRE(name.starts_with("failed-"));
        REQUIRE(names_in(temp / name) == std::vector<std::string>{"logs"});
    }
}

TEST_CASE("the remains of a run that died are cleared away") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    test::write(temp / "x.partial/images/junk", "junk");
    REQUIRE(look_at(location).state == State::interrupted);
    Partial partial = Partial::begin(location);
    REQUIRE(names_in(partial.folders().root) == std::vector<std::string>{"images", "logs", "runtime"});
    REQUIRE(names_in(partial.folders().images()).empty());
}

TEST_CASE("a partial whose owner lives is left alone") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    const Partial owner = Partial::begin(location);
    test::write(owner.folders().images() / "core-1.img", "core");
    REQUIRE(error_of([&] { (void)Partial::begin(location); }).kind() == Kind::busy);
    REQUIRE(test::exists(owner.folders().images() / "core-1.img"));
    REQUIRE(look_at(location).state == State::writing);
}

TEST_CASE("a name that is taken is refused, at the beginning and at the end") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    (void)make_sealed(location);
    REQUIRE(error_of([&] { (void)Partial::begin(location); }).kind() == Kind::busy);
    REQUIRE(names_in(temp.path()) == std::vector<std::string>{"x"});

    Partial late = Partial::begin({temp.path(), "y"});
    test::write(temp / "y/keep", "someone else's");
    Manifest manifest;
    REQUIRE(error_of([&] { late.seal(manifest, {}, nothing_interrupts()); }).kind() == Kind::busy);
    REQUIRE_FALSE(late.sealed());
    REQUIRE(test::read(temp / "y/keep") == "someone else's");
}

TEST_CASE("a signal before the rename leaves no checkpoint") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    {
        Partial partial = Partial::begin(location);
        sys::Interrupts interrupts{std::nullopt};
        (void)::raise(SIGTERM);
        Manifest manifest;
        REQUIRE(error_of([&] { partial.seal(manifest, {}, interrupts); }).kind() == Kind::interrupted);
        REQUIRE_FALSE(partial.sealed());
    }
    REQUIRE(look_at(location).state == State::absent);
}

TEST_CASE("a sealed checkpoint can be taken back") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    Partial partial = Partial::begin(location);
    (void)seal(partial);
    const Path logs = partial.unseal();
    REQUIRE(partial.abandon() == logs);  // it is given up already
    REQUIRE(test::read(logs / "dump.log") == "log");
    REQUIRE(look_at(location).state == State::absent);
    const std::vector<std::string> names = names_in(temp.path());
    REQUIRE(names.size() == 1);
    REQUIRE(names[0].starts_with("failed-"));
    REQUIRE(names_in(temp / names[0]) == std::vector<std::string>{"logs"});
}

TEST_CASE("removing takes a checkpoint, and the remains of one") {
    const TempDir temp;
    (void)make_sealed({temp.path(), "x"});
    test::write(temp / "x.partial/images/old", "half removed");
    test::write(temp / "y.partial/images/old", "half made");
    (void)make_sealed({temp.path(), "z"});
    remove({temp.path(), "x"});
    remove({temp.path(), "y"});
    REQUIRE(names_in(temp.path()) == std::vector<std::string>{"z"});
}

TEST_CASE("what lies under a name is told apart") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    REQUIRE(look_at(location).state == State::absent);
    test::write(temp / "x/manifest.json", "{\"format\": 99}");
    REQUIRE(look_at(location).state == State::newer);
    REQUIRE(error_of([&] { (void)read_manifest(location); }).kind() == Kind::damaged);
    test::write(temp / "x/manifest.json", "{");
    REQUIRE(look_at(location).state == State::damaged);
    std::filesystem::remove(temp / "x/manifest.json");
    REQUIRE(look_at(location).state == State::damaged);
    REQUIRE(error_of([&] { (void)read_manifest(location); }).kind() == Kind::damaged);
}

TEST_CASE("a link that bears the name of a partial is cleared away, what it leads to is not") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    test::write(temp / "outside/keep", "text");
    const auto plant = [&] { std::filesystem::create_directory_symlink(temp / "outside", temp / "x.partial"); };
    plant();
    REQUIRE(look_at(location).state == State::interrupted);
    REQUIRE_NOTHROW(Partial::begin(location));
    REQUIRE(test::read(temp / "outside/keep") == "text");
    plant();
    remove(location);
    REQUIRE(test::read(temp / "outside/keep") == "text");
    REQUIRE(look_at(location).state == State::absent);
}

TEST_CASE("a manifest is never read through a link") {
    const TempDir temp;
    const Location real{temp.path(), "real"};
    (void)make_sealed(real);
    std::filesystem::create_directory(temp / "x");
    std::filesystem::create_symlink(temp / "real/manifest.json", temp / "x/manifest.json");
    REQUIRE(look_at({temp.path(), "x"}).state == State::damaged);
    std::filesystem::create_directory_symlink(temp / "real", temp / "y");
    REQUIRE(look_at({temp.path(), "y"}).state == State::damaged);
}

/// Verifies `location` after `change`, which `undo` takes back.
std::vector<std::string> problems_after(const Location& location, const Manifest& manifest,
                                        const std::function<void()>& change, const std::function<void()>& undo) {
    change();
    const std::vector<std::string> problems = verify(location, manifest, nothing_interrupts());
    undo();
    REQUIRE(verify(location, manifest, nothing_interrupts()).empty());
    return problems;
}

TEST_CASE("verify finds any change of any file") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    const Manifest manifest = make_sealed(location);
    const Path aside = temp / "aside";
    REQUIRE(manifest.files.size() == 7);
    for (const auto& [name, record] : manifest.files) {
        INFO(name);
        const Path path = location.path() / name;
        const std::string quoted = "'" + name + "'";
        const auto put_back = [&] {
            std::filesystem::remove_all(path);
            std::filesystem::rename(aside, path);
        };
        if (record.size > 0 && !record.is_link)
            for (const std::size_t at : {std::size_t{0}, static_cast<std::size_t>(record.size) - 1}) {
                const auto flip = [&] { test::flip(path, at); };
                REQUIRE(problems_after(location, manifest, flip, flip) ==
                        std::vector<std::string>{quoted + " is not as it was sealed"});
            }
        if (!record.is_link) {
            const auto append = [&] { test::write(path, test::read(path) + "x"); };
            const auto cut = [&] { std::filesystem::resize_file(path, record.size); };
            REQUIRE(problems_after(location, manifest, append, cut) ==
                    std::vector<std::string>{quoted + " is not as it was sealed"});
        }
        REQUIRE(problems_after(
                    location, manifest, [&] { std::filesystem::rename(path, aside); }, put_back) ==
                std::vector<std::string>{quoted + " is missing"});
        // A link to the very same bytes is still not the file that was sealed.
        const auto replace_by_link = [&] {
            std::filesystem::rename(path, aside);
            std::filesystem::create_symlink(aside, path);
        };
        REQUIRE(problems_after(location, manifest, replace_by_link, put_back) ==
                std::vector<std::string>{quoted + " is not as it was sealed"});
        const auto replace_by_folder = [&] {
            std::filesystem::rename(path, aside);
            std::filesystem::create_directory(path);
        };
        REQUIRE(problems_after(location, manifest, replace_by_folder, put_back) ==
                std::vector<std::string>{quoted + " is missing"});
    }
}

TEST_CASE("verify finds what is too many, wherever it lies") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    const Manifest manifest = make_sealed(location);
    for (const char* name :
         {"images/extra", "images/deep/extra", "runtime/extra", "rootfs/etc/extra", "volumes/0/extra", "extra"}) {
        INFO(name);
        const Path path = location.path() / name;
        const auto add = [&] { test::write(path, "extra"); };
        const auto take = [&] { std::filesystem::remove(path); };
        REQUIRE(problems_after(location, manifest, add, take) ==
                std::vector<std::string>{"'" + std::string(name) + "' does not belong there"});
    }
    // CRIU and restores write logs past the seal.
    test::write(location.path() / "logs" / "restore.log", "later");
    REQUIRE(verify(location, manifest, nothing_interrupts()).empty());
}

TEST_CASE("verify finds a folder that was swapped for a link to its copy") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    const Manifest manifest = make_sealed(location);
    for (const char* name : {"images", "runtime", "rootfs", "rootfs/etc", "logs"}) {
        INFO(name);
        const Path path = location.path() / name;
        std::filesystem::rename(path, temp / "aside");
        std::filesystem::create_directory_symlink(temp / "aside", path);
        const std::vector<std::string> problems = verify(location, manifest, nothing_interrupts());
        // The files below are missing, the link is too many; logs are not covered.
        REQUIRE(problems.size() >= (std::string(name) == "logs" ? 1 : 2));
        std::filesystem::remove(path);
        std::filesystem::rename(temp / "aside", path);
    }
    REQUIRE(verify(location, manifest, nothing_interrupts()).empty());
}

TEST_CASE("verify does not follow what was planted") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    const Manifest manifest = make_sealed(location);
    std::filesystem::create_directory(temp / "outside");
    // Who opens this waits for a writer that never comes.
    REQUIRE(::mkfifo((temp / "outside/fifo").c_str(), 0600) == 0);
    std::filesystem::create_directory_symlink(temp / "outside", location.path() / "rootfs/to-folder");
    std::filesystem::create_symlink(temp / "outside/fifo", location.path() / "rootfs/to-fifo");
    std::filesystem::create_directory_symlink(temp / "outside", location.path() / "top");
    REQUIRE(::mkfifo((location.path() / "images/fifo").c_str(), 0600) == 0);
    std::vector<std::string> problems = verify(location, manifest, nothing_interrupts());
    std::sort(problems.begin(), problems.end());
    REQUIRE(problems == std::vector<std::string>{"'rootfs/to-fifo' does not belong there",
                                                 "'rootfs/to-folder' does not belong there",
                                                 "'top' does not belong there"});
}

TEST_CASE("how the last restore ended is noted beside what is sealed") {
    const TempDir temp;
    const Location location{temp.path(), "x"};
    const Manifest manifest = make_sealed(location);
    REQUIRE(!last_restore(location));
    note_restore(location, {false, "2026-11-22T13:45:00Z", "boot-1"});
    note_restore(location, {true, "2026-11-23T13:45:00Z", "boot-2"});
    const std::optional<LastRestore> last = last_restore(location);
    REQUIRE(last);
    REQUIRE(last->worked);
    REQUIRE(last->time == "2026-11-23T13:45:00Z");
    REQUIRE(last->boot_id == "boot-2");
    REQUIRE(verify(location, manifest, nothing_interrupts()).empty());
    for (const char* odd : {"", "{", "[]", "{\"worked\": \"yes\", \"time\": 1, \"boot_id\": null}"}) {
        test::write(Folders{location.path()}.last_restore(), odd);
        REQUIRE(!last_restore(location));
    }
}

TEST_CASE("a plain directory is named by its last component") {
    const TempDir temp;
    REQUIRE(plain_location(temp / "x").name == "x");
    REQUIRE(plain_location(temp / "x/").path() == temp / "x");
    REQUIRE(plain_location(temp / "a/../x/.").path() == temp / "x");
    REQUIRE(plain_location("x").folder == std::filesystem::current_path());
    for (const char* name : {"", "/", "x.partial"}) {
        INFO(name);
        REQUIRE(error_of([&] { (void)plain_location(name); }).kind() == Kind::usage);
    }
}

}  // namespace
}  // namespace stasis::store
