#include <fcntl.h>
#include <sys/stat.h>

#include "lib/sys/child.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis {
namespace {

using sys::Path;
using test::TempDir;

const std::vector<std::string> kPack = {
    "--create",          "--gzip",        "--no-unquote",           "--no-wildcards",
    "--one-file-system", "--check-links", "--preserve-permissions", "--sparse",
    "--numeric-owner",   "--directory",   "/proc/self/fd/0",        "."};

std::vector<std::string> unpack_into(const Path& folder) {
    return {"--extract", "--gzip", "--no-unquote", "--no-wildcards", "--directory", folder};
}

/// `in` by `program`, as CRIU calls tar; the archive or what else it writes goes to `out`. With an empty PATH nobody
/// but the program itself can have done it.
sys::WaitStatus call(const std::string& program, const std::vector<std::string>& arguments, const Path& in,
                     const Path& out, const std::string& path) {
    sys::Command command;
    command.args = {program};
    command.args.insert(command.args.end(), arguments.begin(), arguments.end());
    command.set_env = {"PATH=" + path, "LC_ALL=C", "TZ=UTC"};
    const sys::UniqueFd input = sys::open_path(in, O_RDONLY);
    const sys::UniqueFd output(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    command.in = input.get();
    command.out = output.get();
    return sys::Child::start(command).wait();
}

const Path kStandIn = STAND_IN_TAR;
const std::string kPath = std::getenv("PATH");
const std::string kNobody = "/nowhere";

std::string listing(const Path& archive, const TempDir& temp) {
    REQUIRE(call("tar", {"--list", "--gzip", "--verbose", "--full-time"}, archive, temp / "list", kPath).ok());
    return sys::read_file(temp / "list");
}

struct Folder {
    explicit Folder(const TempDir& temp) : path(temp / "folder") {
        std::filesystem::create_directory(path);
        ::chmod(path.c_str(), 01750);
        date();
    }
    void date() const {
        const std::array<timespec, 2> times{timespec{1'500'000'000, 0}, timespec{1'500'000'000, 0}};
        ::utimensat(AT_FDCWD, path.c_str(), times.data(), 0);
    }
    Path path;
};

TEST_CASE("what has no contents the stand-in packs as tar does") {
    const TempDir temp;
    const Folder folder(temp);
    const auto check = [&] {
        folder.date();
        REQUIRE(call(kStandIn, kPack, folder.path, temp / "ours", kNobody).ok());
        REQUIRE(call("tar", kPack, folder.path, temp / "theirs", kPath).ok());
        REQUIRE(listing(temp / "ours", temp) == listing(temp / "theirs", temp));
        REQUIRE_FALSE(listing(temp / "ours", temp).empty());
    };
    check();
    std::filesystem::create_directories(folder.path / "a/b");
    std::filesystem::create_symlink("/some where/else", folder.path / "a/link");
    test::write(folder.path / "a/b/empty", "");
    ::chmod((folder.path / "a/b/empty").c_str(), 04711);
    ::mkfifo((folder.path / "fifo").c_str(), 0600);
    check();
}

TEST_CASE("what has contents, and what is more than a little, is left to tar") {
    const TempDir temp;
    const Folder folder(temp);
    const auto tar_does_it = [&] {
        REQUIRE(call(kStandIn, kPack, folder.path, temp / "archive", kNobody).exit_code == 127);
        REQUIRE(sys::read_file(temp / "archive").empty());
        REQUIRE(call(kStandIn, kPack, folder.path, temp / "archive", kPath).ok());
        REQUIRE(call("tar", kPack, folder.path, temp / "theirs", kPath).ok());
        REQUIRE(listing(temp / "archive", temp) == listing(temp / "theirs", temp));
    };
    SECTION("a file with contents") { test::write(folder.path / "file", "text"); }
    SECTION("a hard link") {
        test::write(folder.path / "file", "");
        std::filesystem::create_hard_link(folder.path / "file", folder.path / "again");
    }
    SECTION("a long name") { test::write(folder.path / std::string(100, 'x'), ""); }
    SECTION("a long link") { std::filesystem::create_symlink(std::string(100, 'x'), folder.path / "link"); }
    SECTION("many") {
        for (int i = 0; i < 70; ++i) test::write(folder.path / std::to_string(i), "");
    }
    tar_does_it();
}

TEST_CASE("an empty folder is unpacked by the stand-in, with its mode and time, whoever packed it") {
    const TempDir temp;
    const Folder folder(temp);
    std::filesystem::create_directory(temp / "there");
    for (const std::string& packer : {std::string("tar"), kStandIn.native()}) {
        REQUIRE(call(packer, kPack, folder.path, temp / "archive", kPath).ok());
        ::chmod((temp / "there").c_str(), 0700);
        REQUIRE(call(kStandIn, unpack_into(temp / "there"), temp / "archive", temp / "said", kNobody).ok());
        struct stat info {};
        REQUIRE(::stat((temp / "there").c_str(), &info) == 0);
        REQUIRE((info.st_mode & ALLPERMS) == 01750);
        REQUIRE(info.st_mtime == 1'500'000'000);
        std::filesystem::last_write_time(temp / "there", std::filesystem::file_time_type::clock::now());
    }
}

TEST_CASE("an archive with more in it, or one that is damaged, is tar's") {
    const TempDir temp;
    const Folder folder(temp);
    std::filesystem::create_directory(temp / "there");
    const auto unpack = [&](const std::string& path) {
        return call(kStandIn, unpack_into(temp / "there"), temp / "archive", temp / "said", path);
    };
    SECTION("more in it") {
        std::filesystem::create_directory(folder.path / "a");
        REQUIRE(call(kStandIn, kPack, folder.path, temp / "archive", kNobody).ok());
        REQUIRE(unpack(kNobody).exit_code == 127);
        REQUIRE(unpack(kPath).ok());
        REQUIRE(std::filesystem::is_directory(temp / "there/a"));
    }
    SECTION("damaged") {
        REQUIRE(call(kStandIn, kPack, folder.path, temp / "archive", kNobody).ok());
        const std::string whole = sys::read_file(temp / "archive");
        for (std::size_t at = whole.size() - 8; at < whole.size(); ++at) {  // its checksum and size
            std::string damaged = whole;
            damaged[at] = static_cast<char>(damaged[at] ^ 1);
            test::write(temp / "archive", damaged);
            REQUIRE(unpack(kNobody).exit_code == 127);
            REQUIRE_FALSE(unpack(kPath).ok());
        }
        test::write(temp / "archive", whole.substr(0, whole.size() / 2));
        REQUIRE_FALSE(unpack(kPath).ok());
        test::write(temp / "archive", whole + "more");
        REQUIRE(unpack(kNobody).exit_code == 127);
    }
}

TEST_CASE("called in another way the stand-in is tar, and never itself again") {
    const TempDir temp;
    const std::string own = kStandIn.parent_path();
    std::filesystem::create_directory_symlink(own, temp / "again");
    const std::string again = temp / "again";
    for (const std::string& before :
         {own, own + ":" + own, own + ":" + again, again + ":" + own + ":" + again + ":" + own}) {
        REQUIRE(call("tar", {"--version"}, "/dev/null", temp / "said", before + ":" + kPath).ok());
        REQUIRE(test::contains(sys::read_file(temp / "said"), "GNU tar"));
        REQUIRE(call(kStandIn, {"--version"}, "/dev/null", temp / "said", before).exit_code == 127);
    }
}

}  // namespace
}  // namespace stasis
