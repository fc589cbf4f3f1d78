#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <optional>

#include "lib/base/error.h"
#include "lib/criu/known_trouble.h"
#include "lib/criu/options.h"
#include "lib/inspect/blockers.h"
#include "lib/inspect/look.h"
#include "lib/inspect/options.h"
#include "lib/inspect/scene.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::inspect {
namespace {

using test::contains;
using test::error_of;
using test::nothing_interrupts;
using test::TempDir;

const proc::Identity kSelf = proc::read_stat(::getpid())->id;

Look look_at_self(const Surroundings& surroundings, Tcp tcp = Tcp::keep) {
    return look(kSelf, surroundings, tcp, nothing_interrupts());
}

std::optional<std::string> value_of(const OptionList& options, const std::string& key) {
    for (const Option& option : options)
        if (option.key == key) return option.value;
    return std::nullopt;
}

bool has(const Blockers& blockers, const std::string& id, const std::string& text) {
    return std::any_of(blockers.begin(), blockers.end(),
                       [&](const Blocker& blocker) { return blocker.id == id && contains(blocker.cause, text); });
}

/// Two connected TCP sockets and their listener.
struct Connection {
    sys::UniqueFd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sys::UniqueFd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sys::UniqueFd server;

    Connection() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(listener.get(), any, size) == 0);
        REQUIRE(::listen(listener.get(), 1) == 0);
        REQUIRE(::getsockname(listener.get(), any, &size) == 0);
        REQUIRE(::connect(client.get(), any, size) == 0);
        server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
};

TEST_CASE("a look at this very process") {
    const TempDir temp;
    test::write(temp / "ghost", std::string(3 << 20, 'g'));
    const sys::UniqueFd ghost = sys::open_path(temp / "ghost", O_RDONLY);
    std::filesystem::remove(temp / "ghost");

    const Look seen = look_at_self({.has_nftables = true});
    REQUIRE(seen.tasks.front().id == kSelf);
    REQUIRE(seen.memory_bytes > 100'000);
    REQUIRE(value_of(seen.options, "ghost-limit") == std::to_string(6 << 20));
    REQUIRE(value_of(seen.options, "network-lock") == "nftables");
    REQUIRE(value_of(look_at_self({}).options, "network-lock") == "iptables");
    REQUIRE(has(seen.blockers, "ancestor", "ancestor of stasis itself"));
    const proc::Identity other{kSelf.pid, kSelf.start_time + 1};
    REQUIRE(error_of([&] { (void)look(other, {}, Tcp::keep, nothing_interrupts()); }).kind() == Kind::not_found);
}

TEST_CASE("files that are written are seen") {
    const TempDir temp;
    test::write(temp / "written", "x");
    test::write(temp / "read", "x");
    const sys::UniqueFd written = sys::open_path(temp / "written", O_WRONLY);
    const sys::UniqueFd read = sys::open_path(temp / "read", O_RDONLY);
    const std::set<std::string> files = written_files({*proc::read_stat(::getpid())});
    REQUIRE(files.contains((temp / "written").string().substr(1)));
    REQUIRE_FALSE(files.contains((temp / "read").string().substr(1)));

    const std::vector<Warning> warnings = look_at_self({}).warnings;
    const auto outside =
        std::find_if(warnings.begin(), warnings.end(), [](const Warning& w) { return w.id == "files-outside"; });
    REQUIRE(outside != warnings.end());
    REQUIRE(contains(outside->text, (temp / "written").string()));
    REQUIRE_FALSE(contains(outside->text, (temp / "read").string()));
}

TEST_CASE("what becomes of TCP connections is chosen") {
    REQUIRE_FALSE(has(look_at_self({}, Tcp::fail).blockers, "connection", ""));
    const Connection connection;
    const Look kept = look_at_self({});
    const OptionList& options = kept.options;
    const auto reason =
        std::find_if(options.begin(), options.end(), [](const Option& o) { return o.key == "tcp-established"; });
    REQUIRE(reason != options.end());
    REQUIRE(contains(reason->reason, "2: 127.0.0.1:"));
    REQUIRE_FALSE(value_of(options, "tcp-close"));
    const auto about_connections = [](const Warning& warning) { return warning.id == "connections"; };
    REQUIRE(std::none_of(kept.warnings.begin(), kept.warnings.end(), about_connections));  // both ends are inside
    const OptionList closed = look_at_self({}, Tcp::close).options;
    REQUIRE(value_of(closed, "tcp-close") == "");
    REQUIRE_FALSE(value_of(closed, "tcp-established"));
    REQUIRE(has(look_at_self({}, Tcp::fail).blockers, "connection", "127.0.0.1:"));
}

TEST_CASE("a lock that would outlive its target is made for connections only") {
    const Surroundings lasting{.has_nftables = true, .network_outlives_target = true};
    REQUIRE(value_of(look_at_self(lasting).options, "network-lock") == "skip");
    const Connection connection;
    REQUIRE(value_of(look_at_self(lasting).options, "network-lock") == "nftables");
    REQUIRE(value_of(look_at_self(lasting, Tcp::close).options, "network-lock") == "skip");
}

TEST_CASE("a tree of many threads gets more time to be stopped") {
    REQUIRE_FALSE(value_of(look_at_self({}).options, "timeout"));
    Scene scene = read_scene(kSelf, {});
    scene.tasks.front().status.threads = 2500;
    REQUIRE(value_of(choose_options(scene, Tcp::keep), "timeout") == "12");
}

TEST_CASE("a process that ends while its namespaces are read is in no strange ones") {
    const Scene scene = read_scene(kSelf, {});
    for (std::size_t read = 0; read <= scene.root().namespaces.size(); ++read) {
        Scene other = scene;
        other.tasks.push_back(scene.root());
        std::map<std::string, std::uint64_t>& namespaces = other.tasks.back().namespaces;
        for (auto unread = std::next(namespaces.begin(), static_cast<std::ptrdiff_t>(read)); unread != namespaces.end();
             ++unread)
            unread->second = 0;
        Blockers found;
        find_in_namespaces(other, found);
        INFO("read before it ended: " << read);
        CHECK_FALSE(has(found, "namespace", ""));
    }
}

TEST_CASE("descriptors and sockets say what they are") {
    const Connection connection;
    const std::vector<std::uint64_t> inodes = proc::socket_inodes(::getpid());
    std::vector<proc::TcpSocket> sockets = proc::sockets_of(::getpid()).of_tcp;
    std::erase_if(sockets,
                  [&](const proc::TcpSocket& s) { return std::count(inodes.begin(), inodes.end(), s.inode) == 0; });
    REQUIRE(std::count_if(sockets.begin(), sockets.end(),
                          [](const proc::TcpSocket& s) { return s.listens() && !s.connected(); }) == 1);
    REQUIRE(std::count_if(sockets.begin(), sockets.end(), [](const proc::TcpSocket& s) { return s.connected(); }) == 2);
    REQUIRE(sockets.front().address == "127.0.0.1");
    REQUIRE(sockets.front().local == "127.0.0.1:" + std::to_string(sockets.front().port));
    const TempDir temp;
    const sys::UniqueFd file = sys::open_path(temp / "file", O_RDWR | O_CREAT, 0600);
    const sys::UniqueFd event(::eventfd(7, EFD_CLOEXEC));
    std::map<int, proc::Descriptor> by_number;
    for (proc::Descriptor& descriptor : proc::descriptors(::getpid())) by_number[descriptor.number] = descriptor;
    struct stat info {};
    REQUIRE(::fstat(file.get(), &info) == 0);
    const proc::Descriptor& written = by_number.at(file.get());
    REQUIRE((written.is_path() && written.links == 1));
    REQUIRE(written.writable);
    REQUIRE((written.inode == info.st_ino && written.device == info.st_dev && written.mount_id > 0));
    REQUIRE(by_number.at(event.get()).target == "anon_inode:[eventfd]");
    REQUIRE(proc::descriptor_info(::getpid(), event.get()).at("eventfd-count") == "7");
    REQUIRE(proc::socket_protocol(::getpid(), connection.client.get()) == "TCP");
    REQUIRE(proc::socket_protocol(::getpid(), file.get()).empty());
    REQUIRE(proc::inode_in("socket:[42]") == 42);
    REQUIRE(proc::inode_in("/a/path") == 0);
    REQUIRE(proc::descriptors(0x7ffffffe).empty());
    REQUIRE(proc::descriptor_info(0x7ffffffe, 1).empty());
}

TEST_CASE("an option of CRIU that a user gives goes before the chosen one") {
    const OptionList chosen{{"ghost-limit", "1", ""}, {"external", "a", ""}, {"file-locks", "", ""}};
    const OptionList options =
        criu::override_options(chosen, {criu::parse_option("ghost-limit=64M"), criu::parse_option("external=b"),
                                        criu::parse_option("file-locks=no"), criu::parse_option("allow-uprobes")});
    REQUIRE(value_of(options, "ghost-limit") == "64M");
    REQUIRE(std::count_if(options.begin(), options.end(), [](const Option& o) { return o.key == "external"; }) == 2);
    REQUIRE_FALSE(value_of(options, "file-locks"));
    REQUIRE(criu::configuration(options) == "allow-uprobes\n");
    REQUIRE(contains(criu::restore_configuration(options), "allow-uprobes\n"));
    for (const char* bad :
         {"", "=x", "-v", "--tree=5", "a b", "leave-running", "images-dir=/x", "action-script=/x", "x=1\ntree 5"})
        REQUIRE(error_of([&] { (void)criu::parse_option(bad); }).kind() == Kind::usage);
}

TEST_CASE("what a CRIU can't do on a kernel is known") {
    REQUIRE(criu::known_trouble({3, 17, 1}, "6.18.0", {true, true}).size() == 2);
    REQUIRE(criu::known_trouble({3, 17, 1}, "6.1.0-44-amd64", {true, true}).empty());
    REQUIRE(criu::known_trouble({4, 1, 1}, "6.18.0", {true, true}).size() == 1);
    REQUIRE(criu::known_trouble({4, 1, 1}, "6.18.0", {false, true}).empty());
    REQUIRE(criu::known_trouble({4, 1, 1}, "6.12.3", {true, true}).empty());
    REQUIRE(criu::known_trouble({4, 2, 1}, "7.2.0", {true, true}).empty());
    REQUIRE(criu::known_trouble({4, 2, 0}, "7.1.0", {}).front().fixed_in == criu::Version{4, 2, 1});
}

TEST_CASE("what a tree makes and ends all the time is not outside of it", "[look]") {
    const pid_t child = ::fork();
    if (child == 0)
        for (;;) {  // a pair of sockets, of which a child that is made after the look began may have one
            std::array<int, 2> pair{};
            (void)::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data());
            const pid_t peer = ::fork();
            (void)::close(pair[peer == 0 ? 0 : 1]);
            ::usleep(1000);
            if (peer == 0) ::_exit(0);
            (void)::close(pair[0]);
            (void)::waitpid(peer, nullptr, 0);
        }
    const std::optional<proc::Stat> stat = proc::read_stat(child);
    REQUIRE(stat);
    constexpr int kLooks = 100;
    int refusals = 0;
    for (int i = 0; i < kLooks; ++i)
        refusals += has(look(stat->id, {}, Tcp::keep, nothing_interrupts()).blockers, "unix-peer", "") ? 1 : 0;
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK(refusals == 0);
}

TEST_CASE("one wait after the other is not one that does not end", "[look]") {
    const pid_t child = ::fork();
    if (child == 0)
        for (;;)  // waits for the end of each, in a way that can't be interrupted
            if (::vfork() == 0) {
                ::usleep(60'000);
                ::_exit(0);
            }
    const std::optional<proc::Stat> stat = proc::read_stat(child);
    REQUIRE(stat);
    while (proc::read_stat(child)->state != 'D') ::usleep(1000);
    const Look seen = look(stat->id, {}, Tcp::keep, nothing_interrupts());
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK_FALSE(has(seen.blockers, "uninterruptible", ""));
}

}  // namespace
}  // namespace stasis::inspect
