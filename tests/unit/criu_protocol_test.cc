// The conversation with CRIU, played against tests/fake_criu.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sstream>

#include "lib/criu/criu.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::criu {
namespace {

using sys::Path;
using test::contains;
using test::Environment;
using test::error_of;
using test::nothing_interrupts;
using test::TempDir;

using Names = std::vector<std::string>;

const Names kDumpSteps{"pre-dump", "query-ext-files", "network-lock", "post-dump", "network-unlock"};
const Names kRestoreSteps{"pre-restore",  "setup-namespaces", "post-setup-namespaces",
                          "post-restore", "pre-resume",       "post-resume"};
/// After these CRIU no longer lets itself be stopped.
const Names kTooLate{"network-unlock", "pre-resume", "post-resume"};

bool is_one_of(const Names& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// CTest names the fake; by hand it lies beside this program.
std::string fake_criu() {
    if (const char* path = std::getenv("FAKE_CRIU")) return path;
    return sys::read_link("/proc/self/exe").value_or("") + "/../fake_criu";
}

/// A place to dump into, a CRIU that plays `script`, and what it was asked.
class Stage {
  public:
    explicit Stage(const std::string& script)
        : script_("FAKE_CRIU_SCRIPT", script), trace_("FAKE_CRIU_TRACE", (folder_ / "trace").string()) {
        test::write(folder_ / "trace", "");
        binary.path = std::filesystem::path(fake_criu()).lexically_normal();
        binary.version = {4, 1, 1};
        if (!test::exists(binary.path)) throw std::runtime_error("no fake CRIU: set FAKE_CRIU");
        for (const char* name : {"images", "work"}) std::filesystem::create_directory(folder_ / name);
        images_ = sys::open_path(folder_ / "images", O_RDONLY | O_DIRECTORY);
        work_ = sys::open_path(folder_ / "work", O_RDONLY | O_DIRECTORY);
    }

    rpc::Options options() const {
        rpc::Options options;
        options.set_images_dir_fd(images_.get());
        options.set_work_dir_fd(work_.get());
        options.set_log_file("criu.log");
        return options;
    }
    DumpTimes dump(sys::Interrupts& interrupts = nothing_interrupts()) {
        rpc::Options asked = options();
        asked.set_pid(4242);
        asked.set_leave_running(true);
        return criu::dump(binary, asked, log(), listen(), interrupts);
    }
    pid_t restore(sys::Interrupts& interrupts = nothing_interrupts()) {
        return criu::restore(binary, options(), log(), listen(), interrupts);
    }
    Path log() const { return folder_ / "work/criu.log"; }
    Path images() const { return folder_ / "images"; }
    Path work() const { return folder_ / "work"; }

    /// Lines of the trace that begin so, without that beginning.
    Names traced(const std::string& beginning) const {
        Names lines;
        std::istringstream stream(test::read(folder_ / "trace"));
        for (std::string line; std::getline(stream, line);)
            if (line.starts_with(beginning))
                lines.push_back(line.substr(beginning.size(), line.find_last_not_of(' ') + 1 - beginning.size()));
        return lines;
    }
    Names answers() const { return traced("request: type: NOTIFY notify_success: "); }

    Binary binary;
    Names heard;            ///< notifications, in their order
    std::string refuse_at;  ///< throw there
    int descriptors = 0;    ///< that came with notifications
    std::vector<sys::UniqueFd> kept;

  private:
    OnEvent listen() {
        return [this](Event& event) {
            heard.push_back(event.script);
            if (event.descriptor) {
                ++descriptors;
                kept.push_back(std::move(event.descriptor));
            }
            if (event.script == refuse_at) throw Error(Kind::busy, "we refuse at " + event.script).hint("our hint");
        };
    }

    TempDir folder_;
    Environment script_;
    Environment trace_;
    sys::UniqueFd images_;
    sys::UniqueFd work_;
};

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

TEST_CASE("a dump is asked for as CRIU wants it") {
    const Environment config("CRIU_CONFIG_FILE", "/tmp/none");
    Stage stage("");
    const Clock::time_point before = Clock::now();
    const DumpTimes times = stage.dump();
    REQUIRE(stage.heard == kDumpSteps);
    REQUIRE(stage.answers() == Names(5, "true"));
    REQUIRE(times.freeze_begin >= before);
    REQUIRE(times.freeze_end >= times.freeze_begin);
    REQUIRE(times.freeze_end <= Clock::now());

    const Names requests = stage.traced("request: type: DUMP opts { ");
    REQUIRE(requests.size() == 1);
    for (const char* part : {"images_dir_fd: ", "work_dir_fd: ", "pid: 4242 ", "leave_running: true ",
                             "log_file: \"criu.log\" ", "notify_scripts: true "})
        REQUIRE(contains(requests[0], part));
    const Names started = stage.traced("started: --no-default-config swrk ");
    REQUIRE(started.size() == 1);
    Names expected = test::inherited_descriptors();
    for (const std::string& number : {std::string("0"), std::string("1"), std::string("2"), started[0]})
        if (!is_one_of(expected, number)) expected.push_back(number);
    Names given;
    std::istringstream numbers(stage.traced("descriptors: ").at(0));
    for (std::string number; numbers >> number;) given.push_back(number);
    std::sort(expected.begin(), expected.end());
    std::sort(given.begin(), given.end());
    REQUIRE(given == expected);
    REQUIRE(stage.traced("group: ") == Names{"own"});
    REQUIRE(stage.traced("config: ") == Names{"none"});
    REQUIRE(test::exists(stage.images() / "inventory.img"));
    REQUIRE(read_dump_stats(stage.work())->frozen_us == 2222);
    REQUIRE_FALSE(has_children());
}

TEST_CASE("a restore is asked for as CRIU wants it") {
    Stage stage("");
    test::write(stage.images() / "pstree.img",
                "\x54\x49\x11\x11"
                "4321");
    REQUIRE(stage.restore() == 4321);
    REQUIRE(stage.heard == kRestoreSteps);
    REQUIRE(stage.answers() == Names(6, "true"));
    REQUIRE(contains(stage.traced("request: type: RESTORE opts { ").at(0), "notify_scripts: true"));
    REQUIRE(stage.traced("group: ") == Names{"own"});

    Stage job("");
    rpc::Options options = job.options();
    options.set_shell_job(true);
    (void)restore(
        job.binary, options, job.log(), [](Event&) {}, nothing_interrupts());
    REQUIRE(job.traced("group: ") == Names{"shared"});  // it must keep our terminal
}

/// Plays `verb` at each step; what must be said is where CRIU was last heard.
void dies_at_each_step(const std::string& verb, const Names& steps, const std::function<void(Stage&)>& run) {
    std::string last = "at its start";
    Names places{"start"};
    places.insert(places.end(), steps.begin(), steps.end());
    places.push_back("end");
    for (const std::string& step : places) {
        INFO(verb << " at " << step);
        Stage stage(verb + ":" + step);
        if (step != "start" && step != "end") last = "after '" + step + "'";
        const Error error = error_of([&] { run(stage); });
        REQUIRE(error.kind() == Kind::failed);
        REQUIRE(error.message() == "CRIU ended without an answer " + last);
        REQUIRE(error.log() == stage.log().string());
        REQUIRE(contains(error.hint(), "stasis check"));
        REQUIRE_FALSE(has_children());
    }
}

TEST_CASE("a CRIU that goes away is named with the step, at every step") {
    for (const char* verb : {"eof-at", "crash-at"}) {
        dies_at_each_step(verb, kDumpSteps, [](Stage& stage) { (void)stage.dump(); });
        dies_at_each_step(verb, kRestoreSteps, [](Stage& stage) { (void)stage.restore(); });
    }
}

TEST_CASE("what CRIU printed before its end is quoted where its log says nothing") {
    Stage stage("print-at:start eof-at:start");
    REQUIRE(error_of([&] { (void)stage.dump(); }).details() == Names{"fake CRIU says why"});
}

TEST_CASE("our refusal makes CRIU roll back and comes back as it was thrown") {
    const auto refuses = [](const std::string& script, const Names& steps, const std::function<void(Stage&)>& run) {
        for (const std::string& step : steps) {
            if (is_one_of(kTooLate, step)) continue;
            INFO(script << " refused at " << step);
            Stage stage(script);
            stage.refuse_at = step;
            const Error error = error_of([&] { run(stage); });
            REQUIRE(error.kind() == Kind::busy);
            REQUIRE(error.message() == "we refuse at " + step);
            REQUIRE(error.hint() == "our hint");
            REQUIRE(stage.heard.back() == step);  // nothing is asked of us any more
            const auto first = std::find(steps.begin(), steps.end(), step) - steps.begin();
            const Names answers = stage.answers();
            REQUIRE(std::count(answers.begin(), answers.end(), "true") == first);
            REQUIRE(answers.back() == "false");
            // CRIU was let say its last word, and says why it failed.
            REQUIRE(contains(test::read(stage.log()), "refused at '" + step + "'"));
            REQUIRE_FALSE(has_children());
        }
    };
    for (const char* script : {"", "echo-nack"}) {
        refuses(script, kDumpSteps, [](Stage& stage) { (void)stage.dump(); });
        refuses(script, kRestoreSteps, [](Stage& stage) { (void)stage.restore(); });
    }
}

TEST_CASE("a refusal is remembered though CRIU dies of it") {
    Stage stage("eof-at:post-dump");
    stage.refuse_at = "post-dump";
    REQUIRE(error_of([&] { (void)stage.dump(); }).message() == "we refuse at post-dump");
}

TEST_CASE("CRIU's own failure is told with the causal lines of its log") {
    Names places{"start"};
    places.insert(places.end(), kDumpSteps.begin(), kDumpSteps.end() - 1);
    places.push_back("end");
    for (const std::string& step : places) {
        INFO(step);
        Stage stage("refuse:" + step);
        const Error error = error_of([&] { (void)stage.dump(); });
        REQUIRE(error.kind() == Kind::failed);
        REQUIRE(error.message() == "CRIU could not dump the target");
        REQUIRE(error.details() == Names{"(00.000003) Error (criu/fake.c:1): cannot do '" + step + "'"});
        REQUIRE(error.log() == stage.log().string());
    }
    Stage stage("refuse:post-restore");
    REQUIRE(error_of([&] { (void)stage.restore(); }).message() == "CRIU could not restore the target");
    Stage silent("refuse:pre-dump no-log");
    REQUIRE(error_of([&] { (void)silent.dump(); }).details() == Names{"the first thing that was logged"});
}

TEST_CASE("a long answer is read whole") {
    Stage failing("refuse:pre-dump no-log oversized:end");
    const Error error = error_of([&] { (void)failing.dump(); });
    REQUIRE(error.details().size() == 1);
    REQUIRE(error.details()[0] == std::string(400'000, 'x'));
    Stage stage("oversized:query-ext-files oversized:post-dump oversized:end");
    REQUIRE_NOTHROW(stage.dump());
    REQUIRE(stage.heard == kDumpSteps);
}

TEST_CASE("a long request arrives whole") {
    Stage stage("");
    rpc::Options options = stage.options();
    options.set_pid(4242);
    constexpr int kMounts = 3000;
    for (int i = 0; i < kMounts; ++i) options.add_external("mnt[" + std::string(60, 'm') + std::to_string(i) + "]:x");
    REQUIRE_NOTHROW(dump(
        stage.binary, options, stage.log(), [](Event&) {}, nothing_interrupts()));
    REQUIRE(contains(stage.traced("request: type: DUMP").at(0), std::to_string(kMounts - 1) + "]:x"));
}

TEST_CASE("an answer of another type is none") {
    Stage last("wrong-type:end");
    const Error error = error_of([&] { (void)last.dump(); });
    REQUIRE(error.kind() == Kind::failed);
    REQUIRE(contains(error.message(), "another question"));
    Stage early("wrong-type:pre-dump");
    REQUIRE(contains(error_of([&] { (void)early.dump(); }).message(), "another question"));
    Stage restoring("wrong-type:end");
    REQUIRE(contains(error_of([&] { (void)restoring.restore(); }).message(), "another question"));
}

TEST_CASE("bytes that are no message are an error") {
    for (const char* step : {"pre-dump", "post-dump", "end"}) {
        INFO(step);
        Stage stage(std::string("garbage:") + step);
        const Error error = error_of([&] { (void)stage.dump(); });
        REQUIRE(error.kind() == Kind::failed);
        REQUIRE(contains(error.message(), "not a message of its protocol"));
        REQUIRE_FALSE(has_children());
    }
}

TEST_CASE("a success without a word about the commit point is none") {
    Stage stage("no-post-dump");
    REQUIRE(error_of([&] { (void)stage.dump(); }).kind() == Kind::failed);
}

TEST_CASE("a descriptor arrives with its event, and none is left behind") {
    Stage stage("fd-at:network-lock fd-at:end");
    const Names before = test::own_descriptors();
    (void)stage.dump();
    REQUIRE(stage.descriptors == 1);
    struct stat device {};
    struct stat null {};
    REQUIRE(::fstat(stage.kept.at(0).get(), &device) == 0);
    REQUIRE(::stat("/dev/null", &null) == 0);
    REQUIRE(device.st_rdev == null.st_rdev);
    REQUIRE((::fcntl(stage.kept[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    stage.kept.clear();
    REQUIRE(test::own_descriptors() == before);
    // Nobody takes it.
    rpc::Options options = stage.options();
    (void)dump(
        stage.binary, options, stage.log(), [](Event&) {}, nothing_interrupts());
    REQUIRE(test::own_descriptors() == before);
    stage.refuse_at = "network-lock";
    REQUIRE_THROWS_AS(stage.dump(), Error);
    stage.kept.clear();
    REQUIRE(test::own_descriptors() == before);
}

TEST_CASE("more descriptors than CRIU ever sends are refused, and none is left behind") {
    Stage stage("fds-at:pre-dump");
    const Names before = test::own_descriptors();
    REQUIRE(contains(error_of([&] { (void)stage.dump(); }).message(), "truncated"));
    REQUIRE(test::own_descriptors() == before);
}

TEST_CASE("a success is one although CRIU logged an error") {
    Stage stage("errmsg-on-success");
    REQUIRE_NOTHROW(stage.dump());
    REQUIRE(stage.restore() == 4242);
}

TEST_CASE("a notification that nobody knows is acknowledged") {
    Stage stage("extra-notify");
    (void)stage.dump();
    REQUIRE(is_one_of(stage.heard, "made-up"));
    REQUIRE(stage.answers() == Names(6, "true"));
}

TEST_CASE("a signal before the commit point makes CRIU roll back") {
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        for (const std::string& step : kDumpSteps) {
            if (is_one_of(kTooLate, step)) continue;
            INFO(number << " at " << step);
            Stage stage("signal-at:" + step + ":" + std::to_string(number));
            sys::Interrupts interrupts{std::nullopt};
            const Error error = error_of([&] { (void)stage.dump(interrupts); });
            REQUIRE(error.kind() == Kind::interrupted);
            REQUIRE(error.signal() == number);
            REQUIRE_FALSE(is_one_of(stage.heard, step));
            REQUIRE(contains(test::read(stage.log()), "refused at '" + step + "'"));
        }
}

TEST_CASE("a signal while CRIU is silent is kept until it speaks") {
    Stage stage("signal-at:start:15 slow-at:pre-dump:100");
    sys::Interrupts interrupts{std::nullopt};
    REQUIRE(error_of([&] { (void)stage.dump(interrupts); }).kind() == Kind::interrupted);
    REQUIRE(stage.answers() == Names{"false"});
    // And when it never speaks again, the signal is what is told.
    Stage dying("signal-at:query-ext-files:15 eof-at:query-ext-files");
    sys::Interrupts again{std::nullopt};
    REQUIRE(error_of([&] { (void)dying.dump(again); }).kind() == Kind::interrupted);
}

TEST_CASE("after the commit point a signal comes too late") {
    for (const char* step : {"network-unlock", "end"}) {
        INFO(step);
        Stage stage(std::string("signal-at:") + step + ":15");
        sys::Interrupts interrupts{std::nullopt};
        REQUIRE_NOTHROW(stage.dump(interrupts));
        REQUIRE(stage.answers() == Names(5, "true"));
        REQUIRE(interrupts.pending());
    }
    Stage dying("signal-at:network-unlock:15 eof-at:network-unlock");
    sys::Interrupts interrupts{std::nullopt};
    REQUIRE(error_of([&] { (void)dying.dump(interrupts); }).kind() == Kind::failed);
    REQUIRE(interrupts.pending());  // else the next test would get the signal
}

TEST_CASE("a deadline makes CRIU roll back, unless it comes too late") {
    Stage stage("slow-at:network-lock:80");
    sys::Interrupts soon{Clock::now() + std::chrono::milliseconds(40)};
    const Error error = error_of([&] { (void)stage.dump(soon); });
    REQUIRE(error.kind() == Kind::failed);
    REQUIRE(contains(error.message(), "--timeout"));
    REQUIRE(stage.answers().back() == "false");
    REQUIRE(contains(test::read(stage.log()), "refused at"));

    Stage late("slow-at:network-unlock:600");
    sys::Interrupts passes{Clock::now() + std::chrono::milliseconds(500)};
    REQUIRE_NOTHROW(late.dump(passes));
    REQUIRE(passes.pending());
}

TEST_CASE("a CRIU that can't be started is a precondition") {
    Stage stage("");
    stage.binary.path = "/nowhere/criu";
    const Names before = test::own_descriptors();
    REQUIRE(error_of([&] { (void)stage.dump(); }).kind() == Kind::precondition);
    REQUIRE(test::own_descriptors() == before);
}

Error error_of_finding(const std::string& script) {
    const Stage stage(script);
    const Environment chosen("STASIS_CRIU", stage.binary.path.string());
    return error_of([] { (void)find_binary(nothing_interrupts()); });
}

TEST_CASE("CRIU is found and asked for its version") {
    for (const auto& [text, version] : std::vector<std::pair<std::string, Version>>{{"4.1.1", {4, 1, 1}},
                                                                                    {"4.3", {4, 3, 0}},
                                                                                    {"3.17", {3, 17, 0}},
                                                                                    {"3.17.1", {3, 17, 1}},
                                                                                    {"10.0", {10, 0, 0}}}) {
        INFO(text);
        const Stage stage("version:" + text);
        const Environment chosen("STASIS_CRIU", stage.binary.path.string());
        const Binary found = find_binary(nothing_interrupts());
        REQUIRE(found.path == stage.binary.path);
        REQUIRE(found.version == version);
    }
    for (const char* text : {"3.16.1", "3.9", "2.12"}) {
        INFO(text);
        const Error error = error_of_finding(std::string("version:") + text);
        REQUIRE(error.kind() == Kind::precondition);
        REQUIRE(contains(error.message(), std::string("CRIU ") + text));
        REQUIRE(contains(error.message(), "needs 3.17"));
        REQUIRE(contains(error.hint(), "scripts/setup"));
    }
}

TEST_CASE("a CRIU that does not work is a precondition, whatever it does") {
    for (const char* script :
         {"eof-at:version", "crash-at:version", "garbage:version", "wrong-type:version", "refuse:version"}) {
        INFO(script);
        const Error error = error_of_finding(script);
        REQUIRE(error.kind() == Kind::precondition);
        REQUIRE(contains(error.message(), "' does not work: "));
    }
    REQUIRE(error_of_finding("print-at:version eof-at:version").details() == Names{"fake CRIU says why"});
    for (const char* path : {"/nowhere/criu", "/dev/null", "/bin/true", "/"}) {
        INFO(path);
        const Environment chosen("STASIS_CRIU", path);
        const Error error = error_of([] { (void)find_binary(nothing_interrupts()); });
        REQUIRE(error.kind() == Kind::precondition);
        REQUIRE(contains(error.message(), path));
    }
}

TEST_CASE("without any CRIU the user learns where to get one") {
    if (test::exists(kPrivateBinary)) return;  // this machine has one where PATH doesn't matter
    const Environment none("STASIS_CRIU", "");
    const Environment path("PATH", "/nowhere");
    const Error error = error_of([] { (void)find_binary(nothing_interrupts()); });
    REQUIRE(error.kind() == Kind::precondition);
    REQUIRE(contains(error.hint(), "scripts/setup"));
}

TEST_CASE("a signal or the deadline while CRIU is looked for are no fault of CRIU's") {
    const Stage stage("signal-at:version:2 eof-at:version");
    const Environment chosen("STASIS_CRIU", stage.binary.path.string());
    sys::Interrupts interrupts{std::nullopt};
    REQUIRE(error_of([&] { (void)find_binary(interrupts); }).signal() == SIGINT);
    const Stage slow("slow-at:version:60 eof-at:version");
    sys::Interrupts soon{Clock::now() + std::chrono::milliseconds(20)};
    const Error error = error_of([&] { (void)find_binary(soon); });
    REQUIRE(error.kind() == Kind::failed);
    REQUIRE(contains(error.message(), "--timeout"));
}

TEST_CASE("CHECK tells whether CRIU works here") {
    Stage stage("");
    REQUIRE_NOTHROW(check(stage.binary, stage.work(), nothing_interrupts()));
    REQUIRE(contains(stage.traced("request: type: CHECK opts { ").at(0), "images_dir_fd: "));
    for (const char* script : {"refuse:check", "eof-at:check", "eof-at:start", "garbage:check", "wrong-type:check"}) {
        INFO(script);
        Stage failing(script);
        const Error error = error_of([&] { check(failing.binary, failing.work(), nothing_interrupts()); });
        REQUIRE(error.kind() == Kind::precondition);
        REQUIRE(contains(error.hint(), "scripts/setup"));
    }
    Stage refusing("refuse:check");
    REQUIRE(error_of([&] { check(refusing.binary, refusing.work(), nothing_interrupts()); }).details() ==
            Names{"(00.000003) Error (criu/fake.c:1): cannot do 'check'"});
}

}  // namespace
}  // namespace stasis::criu
