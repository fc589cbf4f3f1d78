#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <memory>
#include <optional>
#include <random>
#include <thread>

#include "lib/base/error.h"
#include "lib/move/channel.h"
#include "lib/move/files.h"
#include "lib/move/link.h"
#include "lib/move/tree.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

using namespace stasis;
using move::Frame;

namespace {

Frame data(const std::string& bytes) {
    Frame frame;
    frame.mutable_data()->set_bytes(bytes);
    return frame;
}

/// Two channels that are each other's other end.
struct Ends {
    Ends() {
        (void)std::signal(SIGPIPE, SIG_IGN);  // as stasis itself does
        std::array<int, 2> there{};
        std::array<int, 2> back{};
        REQUIRE(::pipe2(there.data(), O_CLOEXEC) == 0);
        REQUIRE(::pipe2(back.data(), O_CLOEXEC) == 0);
        one = std::make_unique<move::Channel>(sys::UniqueFd(back[0]), sys::UniqueFd(there[1]));
        other = std::make_unique<move::Channel>(sys::UniqueFd(there[0]), sys::UniqueFd(back[1]));
    }
    std::unique_ptr<move::Channel> one;
    std::unique_ptr<move::Channel> other;
    sys::Interrupts interrupts = sys::Interrupts::none();
};

move::Rsync rsync_words(const std::vector<std::string>& words) {
    move::Rsync asked;
    for (const std::string& word : words) asked.add_arguments(word);
    return asked;
}

}  // namespace

TEST_CASE("frames come out as they went in, however the stream is cut", "[move]") {
    const std::string stream =
        std::string(move::kGreeting) + encode(data("one")) + encode(data(std::string(9999, 'x')));
    for (const std::size_t step : {1UL, 3UL, 7UL, stream.size()}) {
        move::FrameReader reader(true);
        std::vector<Frame> frames;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            reader.feed(std::string_view(stream).substr(at, step));
            while (auto frame = reader.next()) frames.push_back(*frame);
        }
        REQUIRE(frames.size() == 2);
        CHECK(frames[0].data().bytes() == "one");
        CHECK(frames[1].data().bytes().size() == 9999);
        CHECK(reader.waiting() == 0);
    }
}

TEST_CASE("half a frame is none", "[move]") {
    const std::string whole = encode(data("abc"));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        move::FrameReader reader(false);
        reader.feed(whole.substr(0, size));
        CHECK_FALSE(reader.next());
    }
}

TEST_CASE("what is no frame is refused", "[move]") {
    move::FrameReader too_long(false);
    too_long.feed(std::string("\xff\xff\xff\xff", 4));
    CHECK_THROWS_AS(too_long.next(), Error);

    move::FrameReader no_message(false);
    no_message.feed(std::string("\x03\0\0\0\xff\xff\xff", 7));
    CHECK_THROWS_AS(no_message.next(), Error);

    move::FrameReader empty(false);
    empty.feed(std::string(4, '\0'));
    CHECK_THROWS_AS(empty.next(), Error);
}

TEST_CASE("random bytes never do more than be refused", "[move]") {
    std::mt19937 random(20261123);
    for (int round = 0; round < 20000; ++round) {
        std::string bytes = encode(data(std::string(random() % 64, 'x')));
        for (unsigned changes = random() % 4; changes-- > 0;)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        move::FrameReader reader(false);
        reader.feed(bytes);
        try {
            for (int frames = 0; reader.next(); ++frames) REQUIRE(frames < 64);
        } catch (const Error&) {
        }
    }
}

TEST_CASE("a login shell that prints something is quoted, without its escapes", "[move]") {
    move::FrameReader reader(true);
    reader.feed("Welcome \x1b[31mhome\nmore");
    try {
        (void)reader.next();
        FAIL("it was taken for a greeting");
    } catch (const Error& error) {
        CHECK(error.message().find("'Welcome ?[31mhome'") != std::string::npos);
    }
}

TEST_CASE("versions are agreed on or refused with who is older", "[move]") {
    move::Hello hello;
    hello.set_newest(move::kProtocol + 5);
    hello.set_oldest(move::kProtocol);
    CHECK(agree(hello) == move::kProtocol);
    hello.set_oldest(move::kProtocol + 1);
    CHECK_THROWS_AS(agree(hello), Error);
    hello.set_oldest(0);
    hello.set_newest(move::kOldestProtocol - 1);
    CHECK_THROWS_AS(agree(hello), Error);
}

TEST_CASE("two ends greet, and talk though both write more than a pipe holds", "[move]") {
    Ends ends;
    constexpr std::size_t kFrames = 200;
    const std::string much(64 << 10, 'm');
    const auto talk = [&](move::Channel& channel) {
        sys::Interrupts interrupts = sys::Interrupts::none();
        (void)channel.greet(interrupts);
        for (std::size_t i = 0; i < kFrames; ++i) channel.send(data(much), interrupts);
        Frame end;
        (void)end.mutable_end();
        channel.send(end, interrupts);
        std::size_t got = 0;
        for (std::size_t i = 0; i < kFrames; ++i) got += channel.expect(Frame::kData, interrupts).data().bytes().size();
        (void)channel.expect(Frame::kEnd, interrupts);
        return got;
    };
    std::size_t there = 0;
    std::thread other([&] { there = talk(*ends.other); });
    const std::size_t here = talk(*ends.one);
    other.join();
    CHECK(here == kFrames * much.size());
    CHECK(there == kFrames * much.size());
    CHECK(ends.one->sent_bytes() > here);
}

TEST_CASE("an end that gives up says why, even to one that is writing", "[move]") {
    Ends ends;
    const Error why = Error(Kind::busy, "no room").hint("make room").details({"line"});
    ends.other->send(move::to_frame(why), ends.interrupts);
    ends.other.reset();
    try {
        for (int i = 0; i < 1000; ++i) ends.one->send(data(std::string(100000, 'x')), ends.interrupts);
        FAIL("nobody reads this");
    } catch (const Error& error) {
        CHECK(error.message() == "on the other host: no room");
        CHECK(error.hint() == "make room");
        CHECK(error.details() == std::vector<std::string>{"line"});
        CHECK(error.kind() == Kind::busy);
    }
    CHECK(ends.one->was_given_up());
}

TEST_CASE("an end that says much that nobody asked for is not listened to for ever", "[move]") {
    (void)std::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> there{};
    std::array<int, 2> back{};
    REQUIRE(::pipe2(there.data(), O_CLOEXEC) == 0);
    REQUIRE(::pipe2(back.data(), O_CLOEXEC) == 0);
    const sys::UniqueFd nobody_reads(there[0]);
    std::optional<move::Channel> one(std::in_place, sys::UniqueFd(back[0]), sys::UniqueFd(there[1]));
    std::thread talker([end = back[1]] {
        const sys::UniqueFd other(end);
        Frame frame;
        frame.mutable_tree()->add_suspects(std::string(1 << 20, 'x'));
        const std::string bytes = encode(frame);
        try {
            sys::write_all(other.get(), move::kGreeting, "the pipe");
            for (int i = 0; i < 400; ++i) sys::write_all(other.get(), bytes, "the pipe");
        } catch (const Error&) {
            // It is not listened to any more.
        }
    });
    std::string message;
    try {
        sys::Interrupts interrupts = sys::Interrupts::none();
        one->send(data(std::string(4 << 20, 'x')), interrupts);
    } catch (const Error& error) {
        message = error.message();
    }
    one.reset();
    talker.join();
    CHECK(message == "the other host sends without end");
}

TEST_CASE("an end that vanishes is a lost link, and a frame out of turn an error", "[move]") {
    Ends ends;
    ends.other->send(data("x"), ends.interrupts);
    CHECK_THROWS_AS(ends.one->expect(Frame::kGo, ends.interrupts), Error);
    CHECK_FALSE(ends.one->is_lost());
    ends.other.reset();
    CHECK_THROWS_AS(ends.one->receive(ends.interrupts), Error);
    CHECK(ends.one->is_lost());
}

TEST_CASE("a command line is taken apart as a shell does at blanks and quotes", "[move]") {
    using Words = std::vector<std::string>;
    CHECK(move::split_words("ssh -F  /etc/x") == Words{"ssh", "-F", "/etc/x"});
    CHECK(move::split_words("a 'b c' \"d \\\" e\" f\\ g ''") == Words{"a", "b c", "d \" e", "f g", ""});
    CHECK(move::split_words("a; $b `c`") == Words{"a;", "$b", "`c`"});
    CHECK_THROWS_AS(move::split_words("a 'b"), Error);
    CHECK_THROWS_AS(move::split_words("  "), Error);
}

TEST_CASE("the far side's shell gets quoted words, and no host can be an option", "[move]") {
    move::Destination to;
    to.host = "root@b";
    to.port = 2222;
    to.sudo = true;
    to.stasis = {"/opt/my stasis", "it's"};
    CHECK(move::command_line(to) == std::vector<std::string>{"ssh", "-p", "2222", "root@b", "sudo", "-n", "--",
                                                             "'/opt/my stasis'", "'it'\\''s'", "receive"});
    to.host = "-oProxyCommand=x";
    CHECK_THROWS_AS(move::command_line(to), Error);
}

TEST_CASE("the other host's rsync gets no say in where and how", "[move]") {
    CHECK(move::receiving_rsync(rsync_words({"rsync", "--server", "-qlHogDtpAXrxSe.iLsfxCIvu", "--delete", "-@-1",
                                             "--numeric-ids", ".", "/"}),
                                "/srv/web1") == std::vector<std::string>{"rsync", "--server",
                                                                         "-qlHogDtpAXrxSe.iLsfxCIvu", "--delete",
                                                                         "-@-1", "--numeric-ids", ".", "/srv/web1/"});
    for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
             {},
             {"rsync", "--server", ".", "/etc"},
             {"sh", "--server", "-a", ".", "/"},
             {"rsync", "--server", "--sender", "-a", ".", "/"},
             {"rsync", "--server", "-a", "--log-file=/etc/passwd", ".", "/"},
             {"rsync", "--server", "-a", "--temp-dir=/", ".", "/"},
             {"rsync", "--server", "-a", "--rsh=sh -c x", ".", "/"},
             {"rsync", "--server", "-a\n--log-file=/x", ".", "/"},
         })
        CHECK_THROWS_AS(move::receiving_rsync(rsync_words(bad), "/srv/web1"), Error);
}

TEST_CASE("files arrive, and none gets out of its folder", "[move]") {
    const test::TempDir folder;
    const sys::Path from = folder.path() / "from";
    const sys::Path to = folder.path() / "to";
    std::filesystem::create_directories(from);
    std::filesystem::create_directories(to / "images");
    sys::write_new_file(from / "pages-1.img", std::string(1000000, 'p'), 0600);
    sys::write_new_file(from / "empty.img", "", 0600);
    sys::write_new_file(from / "begun.img", "sent already", 0600);

    Ends ends;
    std::thread sender([&] {
        sys::Interrupts interrupts = sys::Interrupts::none();
        move::FileSender files(*ends.one, "images/", interrupts);
        files.add("begun.img", "what it has");
        files.add("begun.img", " until now");
        files.send_rest(from);
    });
    for (int i = 0; i < 3; ++i)
        receive_file(*ends.other, ends.other->expect(Frame::kFile, ends.interrupts).file(), to, ends.interrupts);
    sender.join();
    CHECK(sys::read_file(to / "images/pages-1.img") == sys::read_file(from / "pages-1.img"));
    CHECK(std::filesystem::file_size(to / "images/empty.img") == 0);
    CHECK(sys::read_file(to / "images/begun.img") == "what it has until now");

    std::filesystem::create_symlink("/", to / "images/link");
    for (const char* name : {"../out", "/tmp/out", "images/link/tmp/out", "images/empty.img", "images/link", ""}) {
        move::File file;
        file.set_path(name);
        CHECK_THROWS_AS(receive_file(*ends.other, file, to, ends.interrupts), Error);
    }
}
