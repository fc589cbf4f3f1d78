// A CRIU that only plays: speaks `criu swrk` as CRIU does, dumps nothing, and misbehaves as its
// script says (script.h).
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "proto/criu_stats.pb.h"
#include "tests/fake_criu/client.h"
#include "tests/fake_criu/script.h"

namespace fake {
namespace {

namespace rpc = stasis::criu::rpc;

/// The operation failed; CRIU says so in its final answer.
struct Failure {
    std::string why;
};

void write_text(int fd, const std::string& text) {
    if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
}

int create(int folder, const std::string& name) {
    const int fd = ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) std::abort();
    return fd;
}

rpc::Response answer(rpc::RequestType type, bool success) {
    rpc::Response response;
    response.set_type(type);
    response.set_success(success);
    return response;
}

class Criu {
  public:
    explicit Criu(int socket) : client_(socket), script_(Script::from_environment()) {}

    void serve() {
        const rpc::Request request = client_.receive();
        switch (request.type()) {
            case rpc::VERSION_REQUEST: return tell_version();
            case rpc::CHECK: return run(request, "check", [] { std::puts("Looks good."); });
            case rpc::DUMP: return run(request, "end", [this] { dump(); });
            case rpc::RESTORE: return run(request, "end", [this] { restore(); });
            default: std::abort();
        }
    }

  private:
    void tell_version() {
        rpc::Response response = answer(rpc::VERSION_REQUEST, true);
        std::array<int, 3> numbers{};
        (void)std::sscanf(script_.version().c_str(), "%d.%d.%d", &numbers[0], &numbers[1], &numbers[2]);
        response.mutable_version()->set_major_number(numbers[0]);
        response.mutable_version()->set_minor_number(numbers[1]);
        response.mutable_version()->set_sublevel(numbers[2]);
        try {
            before("version");
        } catch (const Failure&) {
            response.set_success(false);
        }
        leave("version");
        transmit("version", response);
    }

    /// Plays a request from the opening of its log to the final answer, which is the step `last`.
    template <typename Play>
    void run(const rpc::Request& request, const std::string& last, Play play) {
        options_ = request.opts();
        images_ = client_.open_folder(options_.images_dir_fd());
        work_ = options_.has_work_dir_fd() ? client_.open_folder(options_.work_dir_fd()) : images_;
        const int log = create(work_, options_.log_file());
        write_text(log, "(00.000001) CRIU run id = 00000000-fake\n");
        write_text(log, "(00.000002) Error (criu/rlimit.c:1): rlimit: Can't setup RLIMIT_NOFILE\n");
        rpc::Response response = answer(request.type(), true);
        try {
            before("start");
            leave("start");
            play();
            before(last);
            if (script_.has("errmsg-on-success")) response.set_cr_errmsg("the first thing that was logged");
            if (request.type() == rpc::RESTORE) response.mutable_restore()->set_pid(restored_pid());
            if (request.type() == rpc::DUMP) write_stats();
        } catch (const Failure& failure) {
            if (!script_.has("no-log")) {
                write_text(log, "(00.000003) Error (criu/fake.c:1): " + failure.why + "\n");
                write_text(log, "(00.000004) Error (criu/cr-dump.c:1): Dumping FAILED.\n");
            }
            // On its way out CRIU opens the network again where it was locked; no answer stops it.
            if (locked_) (void)notify_once("network-unlock");
            response = answer(request.type(), false);
            response.set_cr_errmsg("the first thing that was logged");
        }
        leave(last);
        transmit(last, response);
    }

    void dump() {
        notify("pre-dump");
        if (script_.has("extra-notify")) notify("made-up");
        notify("query-ext-files");
        locked_ = true;
        notify("network-lock");
        write_image("inventory.img", std::string(3000, 'n'));
        if (options_.has_ps())
            send_pages();
        else
            for (const char* name : {"pages-1.img", "pagemap-1.img"}) write_image(name, std::string(3000, name[1]));
        write_image("pstree.img", std::to_string(options_.pid()));
        if (!script_.has("no-post-dump")) notify("post-dump");
        if (!options_.leave_running()) return;
        locked_ = false;
        (void)notify_once("network-unlock");
    }

    void restore() {
        for (const char* step : {"pre-restore", "setup-namespaces", "post-setup-namespaces", "post-restore"})
            notify(step);
        // The last veto was post-restore: of these CRIU only logs a refusal.
        for (const char* step : {"pre-resume", "post-resume"}) (void)notify_once(step);
    }

    void notify(const std::string& step) {
        if (notify_once(step)) return;
        if (script_.has("echo-nack") && notify_once(step)) return;
        throw Failure{"the client refused at '" + step + "'"};
    }

    bool notify_once(const std::string& step) {
        before(step);
        rpc::Response response = answer(rpc::NOTIFY, true);
        response.mutable_notify()->set_script(step);
        if (options_.has_pid()) response.mutable_notify()->set_pid(options_.pid());
        transmit(step, response);
        leave(step);
        const rpc::Request reply = client_.receive();
        return reply.type() == rpc::NOTIFY && reply.notify_success();
    }

    void before(const std::string& step) {
        if (script_.at("print-at", step)) (void)std::fputs("fake CRIU says why\nand more\n", stderr);
        if (const auto milliseconds = script_.at("slow-at", step))
            (void)::usleep(static_cast<useconds_t>(std::stoul(*milliseconds) * 1000));
        if (const auto number = script_.at("signal-at", step)) (void)::kill(::getppid(), std::stoi(*number));
        if (script_.at("kill-at", step) && options_.pid() > 1) (void)::kill(options_.pid(), SIGKILL);
        if (script_.at("hang-at", step)) client_.wait_until_gone();
        const std::optional<std::string> times = script_.at("refuse", step);
        if (times && (times->empty() || traced("request: type: DUMP") <= std::stoi(*times))) throw Failure{why(step)};
    }

    static std::string why(const std::string& step) {
        const char* error = std::getenv("FAKE_CRIU_ERROR");
        return error == nullptr ? "cannot do '" + step + "'" : error;
    }

    void leave(const std::string& step) const {
        if (script_.at("crash-at", step)) (void)::kill(::getpid(), SIGKILL);
        if (script_.at("eof-at", step)) std::exit(1);
    }

    void transmit(const std::string& step, rpc::Response& response) const {
        if (script_.at("oversized", step)) response.set_cr_errmsg(std::string(kOversized, 'x'));
        if (script_.at("wrong-type", step)) response.set_type(rpc::EMPTY);
        const std::size_t descriptors = script_.at("fd-at", step) ? 1 : script_.at("fds-at", step) ? 2 : 0;
        client_.send(script_.at("garbage", step) ? "\xff\xff\xff no message at all" : response.SerializeAsString(),
                     descriptors);
    }

    void write_image(const std::string& name, const std::string& body) const {
        const int fd = create(images_, name);
        write_text(fd, "\x54\x49\x11\x11" + body);
        (void)::close(fd);
    }

    /// As the version of its script does to a page server: two pages of its target's memory.
    void send_pages() const {
        constexpr std::uint32_t kOpen = 4;
        constexpr std::uint32_t kAddPresent = 6 | 4 << 16;
        constexpr std::uint32_t kClose = 0x1023;
        std::array<char, 4096> answer{};
        send_header(kOpen, 0);
        if (::read(options_.ps().fd(), answer.data(), answer.size()) != 1) throw Failure{"no answer for an image"};
        send_header(kAddPresent, 2);
        write_text(options_.ps().fd(), std::string(8192, 'p'));
        if (script_.has("no-last-page")) return;
        send_header(kClose, 0);
        if (::read(options_.ps().fd(), answer.data(), answer.size()) != 4) throw Failure{"no answer at the end"};
    }

    void send_header(std::uint32_t command, std::uint32_t count) const {
        constexpr std::uint32_t kProcess = 1;
        const std::uint32_t image = static_cast<std::uint32_t>(options_.pid()) << 8 | kProcess;
        const bool is_wide = script_.version() >= "4.2";
        const std::array<std::uint32_t, 8> wide{command, 0, count, 0, 0x1000, 0, image, 0};
        const std::array<std::uint32_t, 6> narrow{command, count, 0x1000, 0, image, 0};
        write_text(options_.ps().fd(), is_wide
                                           ? std::string(reinterpret_cast<const char*>(wide.data()), sizeof wide)
                                           : std::string(reinterpret_cast<const char*>(narrow.data()), sizeof narrow));
    }

    void write_stats() const {
        stasis::criu::stats::Stats stats;
        stasis::criu::stats::DumpStats& dump = *stats.mutable_dump();
        dump.set_freezing_time(11);
        dump.set_frozen_time(2222);
        dump.set_memdump_time(33);
        dump.set_memwrite_time(44);
        dump.set_pages_scanned(55);
        dump.set_pages_skipped_parent(0);
        dump.set_pages_written(66);
        const int fd = create(work_, "stats-dump");
        write_text(fd, std::string(12, '\0') + stats.SerializeAsString());
        (void)::close(fd);
    }

    /// As the dump left it in its images.
    int restored_pid() const {
        constexpr int kMagic = 4;
        std::array<char, 32> text{};
        const int fd = ::openat(images_, "pstree.img", O_RDONLY | O_CLOEXEC);
        return fd >= 0 && ::read(fd, text.data(), text.size() - 1) > kMagic ? std::atoi(text.data() + kMagic) : 1;
    }

    Client client_;
    Script script_;
    rpc::Options options_;
    int images_ = -1;
    int work_ = -1;
    bool locked_ = false;
};

/// What this process was given beside its arguments.
void trace_surroundings() {
    std::string numbers;
    DIR* folder = ::opendir("/proc/self/fd");
    while (const dirent* entry = ::readdir(folder))
        if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(folder))
            numbers += std::string(" ") + entry->d_name;
    (void)::closedir(folder);
    trace("descriptors:" + numbers);
    trace(std::string("group: ") + (::getpgrp() == ::getpid() ? "own" : "shared"));
    trace(std::string("config: ") + (std::getenv("CRIU_CONFIG_FILE") == nullptr ? "none" : "inherited"));
}

}  // namespace
}  // namespace fake

int main(int argc, char** argv) {
    std::string words;
    for (int i = 1; i < argc; ++i) words += std::string(" ") + argv[i];
    fake::trace("started:" + words);
    fake::trace_surroundings();
    if (argc != 4 || std::string(argv[1]) != "--no-default-config" || std::string(argv[2]) != "swrk") return 1;
    fake::Criu(std::atoi(argv[3])).serve();
    return 0;
}
