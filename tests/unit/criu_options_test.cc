#include "lib/criu/options.h"

#include <google/protobuf/text_format.h>

#include "lib/criu/criu.h"
#include "proto/criu_stats.pb.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::criu {
namespace {

using sys::Path;
using test::contains;
using test::error_of;
using test::TempDir;

std::string applied(const OptionList& chosen, const Version& version = {4, 1, 1}) {
    rpc::Options options;
    apply(chosen, version, options);
    google::protobuf::TextFormat::Printer printer;
    printer.SetSingleLineMode(true);
    std::string text;
    (void)printer.PrintToString(options, &text);
    return text.substr(0, text.find_last_not_of(' ') + 1);
}

TEST_CASE("each option sets its field and no other") {
    const std::vector<std::array<std::string, 3>> kExpected{
        {"cgroup-mode", "ignore", "manage_cgroups_mode: IGNORE"},
        {"cgroup-mode", "none", "manage_cgroups_mode: CG_NONE"},
        {"cgroup-mode", "props", "manage_cgroups_mode: PROPS"},
        {"cgroup-mode", "soft", "manage_cgroups_mode: SOFT"},
        {"cgroup-mode", "full", "manage_cgroups_mode: FULL"},
        {"cgroup-mode", "strict", "manage_cgroups_mode: STRICT"},
        {"enable-external-masters", "", "ext_masters: true"},
        {"enable-external-sharing", "", "ext_sharing: true"},
        {"evasive-devices", "", "evasive_devices: true"},
        {"external", "mnt[/a]:b", "external: \"mnt[/a]:b\""},
        {"ext-unix-sk", "", "ext_unix_sk: true"},
        {"file-locks", "", "file_locks: true"},
        {"force-irmap", "", "force_irmap: true"},
        {"freeze-cgroup", "/sys/fs/cgroup/x", "freeze_cgroup: \"/sys/fs/cgroup/x\""},
        {"ghost-limit", "4294967295", "ghost_limit: 4294967295"},
        {"irmap-scan-path", "/data", "irmap_scan_paths: \"/data\""},
        {"link-remap", "", "link_remap: true"},
        {"mntns-compat-mode", "", "mntns_compat_mode: true"},
        {"network-lock", "iptables", "network_lock: IPTABLES"},
        {"network-lock", "nftables", "network_lock: NFTABLES"},
        {"network-lock", "skip", "network_lock: SKIP"},
        {"orphan-pts-master", "", "orphan_pts_master: true"},
        {"root", "/r", "root: \"/r\""},
        {"shell-job", "", "shell_job: true"},
        {"skip-in-flight", "", "tcp_skip_in_flight: true"},
        {"tcp-established", "", "tcp_established: true"},
        {"timeout", "30", "timeout: 30"},
    };
    for (const auto& [key, value, expected] : kExpected) {
        INFO(key << " " << value);
        REQUIRE(applied({{key, value, "why"}}) == expected);
    }
    REQUIRE(applied({}).empty());
    REQUIRE(applied({{"external", "a", ""}, {"external", "b", ""}}) == "external: \"a\" external: \"b\"");
}

TEST_CASE("an option that this CRIU does not know is left out") {
    const OptionList skip{{"network-lock", "skip", ""}};
    REQUIRE(applied(skip, {3, 17, 1}).empty());
    REQUIRE(applied(skip, {3, 18, 0}).empty());
    REQUIRE(applied(skip, {3, 19, 0}) == "network_lock: SKIP");
    REQUIRE(applied({{"network-lock", "nftables", ""}}, {3, 17, 0}) == "network_lock: NFTABLES");
}

TEST_CASE("field numbers are CRIU's") {
    // Computed from CRIU's own rpc.proto.
    rpc::Request request;
    request.set_type(rpc::DUMP);
    request.mutable_opts()->set_images_dir_fd(5);
    request.mutable_opts()->set_pid(6);
    request.mutable_opts()->set_leave_running(true);
    request.mutable_opts()->set_log_file("l");
    request.mutable_opts()->set_notify_scripts(true);
    request.mutable_opts()->set_network_lock(rpc::NFTABLES);
    REQUIRE(request.SerializeAsString() == "\x08\x01\x12\x0e\x08\x05\x10\x06\x18\x01\x52\x01l\x60\x01\x80\x04\x02");
}

TEST_CASE("a restore is configured with the options that it needs, in their order") {
    REQUIRE(restore_configuration({{"tcp-established", "", ""},
                                   {"skip-in-flight", "", ""},
                                   {"file-locks", "", ""},
                                   {"external", "mnt[/a]:b", ""},
                                   {"link-remap", "", ""},
                                   {"evasive-devices", "", ""},
                                   {"ext-unix-sk", "", ""},
                                   {"force-irmap", "", ""},
                                   {"irmap-scan-path", "/one", ""},
                                   {"irmap-scan-path", "/two", ""},
                                   {"cgroup-mode", "soft", ""},
                                   {"shell-job", "", ""},
                                   {"ghost-limit", "9", ""},
                                   {"network-lock", "nftables", ""}}) ==
            "tcp-established\nfile-locks\nlink-remap\nevasive-devices\next-unix-sk\nforce-irmap\n"
            "irmap-scan-path /one\nirmap-scan-path /two\nnetwork-lock nftables\n");
    REQUIRE(restore_configuration({}).empty());
}

TEST_CASE("versions are read, written and compared") {
    REQUIRE(Version::parse("4.2.1") == Version{4, 2, 1});
    REQUIRE(Version::parse("4.2") == Version{4, 2, 0});
    REQUIRE(Version{4, 2, 1}.text() == "4.2.1");
    REQUIRE(Version{4, 2, 0}.text() == "4.2");
    REQUIRE(Version{3, 9, 9} < Version{3, 17, 0});
    REQUIRE(Version{3, 17, 1} > kOldestSupported);
    REQUIRE_FALSE(Version{3, 17, 0} < kOldestSupported);
    REQUIRE(Version{3, 16, 9} < kOldestSupported);
    for (const char* text : {"", "4", "4.", "x.y", "v4.1", ".1", "four"}) {
        INFO(text);
        REQUIRE(error_of([&] { (void)Version::parse(text); }).kind() == Kind::damaged);
    }
}

TEST_CASE("the statistics of a dump, where they are whole") {
    const TempDir temp;
    REQUIRE_FALSE(read_dump_stats(temp.path()));
    stats::Stats written;
    stats::DumpStats& dump = *written.mutable_dump();
    dump.set_freezing_time(1);
    dump.set_frozen_time(2);
    dump.set_memdump_time(3);
    dump.set_memwrite_time(4);
    dump.set_pages_scanned(5);
    dump.set_pages_skipped_parent(6);
    dump.set_pages_written(1ULL << 33);
    const std::string image = std::string(12, 'h') + written.SerializeAsString();
    test::write(temp / "stats-dump", image);
    const std::optional<DumpStats> read = read_dump_stats(temp.path());
    REQUIRE(read);
    REQUIRE(read->freezing_us == 1);
    REQUIRE(read->frozen_us == 2);
    REQUIRE(read->pages_written == 1LL << 33);
    for (std::size_t length = 0; length < image.size(); ++length) {
        test::write(temp / "stats-dump", image.substr(0, length));
        INFO(length);
        if (length != 12) REQUIRE_FALSE(read_dump_stats(temp.path()));
    }
}

}  // namespace
}  // namespace stasis::criu
