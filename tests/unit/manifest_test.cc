#include "lib/store/manifest.h"

#include "lib/sys/checksum.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::store {
namespace {

using test::contains;
using test::error_of;

const std::string kOddBytes = std::string("new\nline \t%41 \"quote\" \\ \xff\xc3\x28 \x01 end ") + '\x7f';

Manifest sample() {
    Manifest m;
    m.stasis_version = "0.1.0";
    m.runtime = "runc";
    m.container = "web-7";
    m.checkpoint = "before";
    m.kind = "stop";
    m.created = "2026-11-22T13:45:00Z";
    m.host_name = "host";
    m.kernel = "6.1.0";
    m.architecture = "x86_64";
    m.boot_id = "11111111-2222";
    m.criu_version = "4.1.1";
    m.criu_options = {{"external", "mnt[" + kOddBytes + "]:x", "why"}, {"file-locks", "", "locks are kept"}};
    m.runtime_details = {{"bundle", "/b"}, {"paused", false}, {"list", {1, 2}}};
    m.runtime_version = "runc version 1.1.5";
    m.cpu_features = {"avx", "sse2"};
    m.restored_with_all = true;
    m.order = "-10";
    m.expected.files = {{"/lib/" + kOddBytes, 0100755, 17, -5, "abcd"}, {"/log", 0100644, std::nullopt, 1, ""}};
    m.expected.mounts = {{"/data/" + kOddBytes, "/mnt/" + kOddBytes, true}};
    m.expected.pids = {7, 8};
    m.expected.addresses = {"10.0.0.2", "::1"};
    m.expected.listeners = {{"0.0.0.0", 65535}};
    m.expected.cgroups = {"hybrid", {"memory", "name=systemd"}};
    m.expected.profiles = {"profile " + kOddBytes};
    m.tasks = {{7, kOddBytes}, {8, "sh"}};
    m.lasting_network = "/run/netns/" + kOddBytes;
    m.network.inside = {{"eth0",
                         "veth",
                         "02:00:00:00:00:01",
                         2,
                         1450,
                         true,
                         {"10.0.0.2/24 scope global"},
                         {"default via 10.0.0.1 dev eth0"},
                         "",
                         ""}};
    m.network.outside = {{"br" + kOddBytes, "bridge", "02:00:00:00:00:02", 3, 1500, true, {}, {}, "", ""},
                         {"veth1", "veth", "02:00:00:00:00:03", 4, 1450, false, {}, {}, "eth0", "br" + kOddBytes}};
    m.network.lost = {"the device '" + kOddBytes + "'"};
    m.rootfs = {"overlay", "/merged/" + kOddBytes, "/upper", "lowerdir=/a:/b,upperdir=/c", "earlier", {kOddBytes}};
    m.volumes = {{"/data/" + kOddBytes, "/mnt/" + kOddBytes, "0"}};
    m.freeze_us = 123456;
    m.image_bytes = 1ULL << 40;
    m.rootfs_bytes = 77;
    m.files["images/core-1.img"] = {false, 17, std::string(32, 'a')};
    m.files["rootfs/" + kOddBytes] = {false, UINT64_MAX, std::string(32, 'b')};
    m.files["rootfs/%2f"] = {true, 3, std::string(32, 'c')};
    return m;
}

bool is_refused(const std::string& text) {
    try {
        (void)parse_manifest(text, "x");
    } catch (const Error& error) {
        return error.kind() == Kind::damaged;
    }
    return false;
}

TEST_CASE("a manifest comes back as it was written") {
    const Manifest written = sample();
    const Manifest back = parse_manifest(to_text(written), "x");
    REQUIRE(back.files == written.files);
    REQUIRE(back.files.at("rootfs/" + kOddBytes).size == UINT64_MAX);
    REQUIRE(back.files.at("rootfs/%2f").is_link);
    REQUIRE(back.rootfs.path == written.rootfs.path);
    REQUIRE(back.rootfs.mount_options == written.rootfs.mount_options);
    REQUIRE(back.rootfs.linked_to == "earlier");
    REQUIRE(back.rootfs.written == std::set<std::string>{kOddBytes});
    REQUIRE(back.volumes.size() == 1);
    REQUIRE(back.volumes[0].source == written.volumes[0].source);
    REQUIRE(back.volumes[0].destination == written.volumes[0].destination);
    REQUIRE(back.volumes[0].folder == "0");
    REQUIRE(back.restored_with_all);
    REQUIRE(back.order == "-10");
    REQUIRE(back.tasks.size() == 2);
    REQUIRE(back.tasks[0].pid == 7);
    REQUIRE(back.tasks[0].command == kOddBytes);
    REQUIRE(back.criu_options.size() == 2);
    REQUIRE(back.criu_options[0].value == written.criu_options[0].value);
    REQUIRE(back.criu_options[1].reason == "locks are kept");
    REQUIRE(back.runtime_details == written.runtime_details);
    REQUIRE(back.lasting_network == written.lasting_network);
    REQUIRE(back.target() == "runc:web-7");
    REQUIRE(back.checkpoint == "before");
    REQUIRE(back.kind == "stop");
    REQUIRE(back.created == written.created);
    REQUIRE(back.boot_id == written.boot_id);
    REQUIRE(back.runtime_version == written.runtime_version);
    REQUIRE(back.cpu_features == written.cpu_features);
    REQUIRE(back.expected == written.expected);
    REQUIRE(back.freeze_us == 123456);
    REQUIRE(back.bytes() == (1ULL << 40) + 77);
    REQUIRE(to_text(back) == to_text(written));
}

TEST_CASE("a manifest of nothing comes back") {
    const Manifest back = parse_manifest(to_text(Manifest{}), "x");
    REQUIRE(back.files.empty());
    REQUIRE(back.rootfs.backend == "none");
}

TEST_CASE("a manifest of format 1 from before there were expectations is read") {
    Json json = Json::parse(to_text(sample()));
    json.erase("expected");
    json.erase("runtime_version");
    json["host"].erase("cpu_features");
    json["checksum"] = std::string(32, '0');
    std::string text = json.dump(2, ' ', true) + "\n";
    text.replace(text.size() - 36, 32, sys::checksum(text));
    const Manifest back = parse_manifest(text, "x");
    REQUIRE(back.expected == Expectations{});
    REQUIRE(back.runtime_version.empty());
    REQUIRE(back.cpu_features.empty());
    REQUIRE(back.target() == "runc:web-7");
}

TEST_CASE("a manifest is plain ASCII that begins with its format") {
    const std::string text = to_text(sample());
    REQUIRE(text.starts_with("{\n  \"format\": 2,\n"));
    for (const char letter : text) REQUIRE((letter == '\n' || (letter >= 0x20 && letter < 0x7f)));
}

TEST_CASE("a changed bit in any byte of a manifest is found") {
    const std::string text = to_text(sample());
    std::vector<std::size_t> missed;
    for (std::size_t at = 0; at < text.size(); ++at) {
        // One bit of each byte, each bit of some bytes: all of all take too long.
        std::string changed = text;
        changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
        if (!is_refused(changed)) missed.push_back(at);
    }
    REQUIRE(missed.empty());
}

TEST_CASE("any missing byte of a manifest is found") {
    const std::string text = to_text(sample());
    std::vector<std::size_t> missed;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const std::string shorter = text.substr(0, at) + text.substr(at + 1);
        if (!is_refused(shorter)) missed.push_back(at);
    }
    REQUIRE(missed.empty());
}

TEST_CASE("a manifest that was cut off is found, wherever") {
    const std::string text = to_text(sample());
    std::vector<std::size_t> missed;
    for (std::size_t length = 0; length < text.size(); ++length)
        if (!is_refused(text.substr(0, length))) missed.push_back(length);
    REQUIRE(missed.empty());
    REQUIRE(is_refused(text + "\n"));
    REQUIRE(is_refused(text + text));
}

TEST_CASE("what is no manifest is damaged") {
    for (const char* text : {"", "null", "[]", "17", "{}", "{\"format\":\"1\"}", "{\"format\":[1]}",
                             "{\"format\":null}", "{\"format\":1}", "\xff\xfe"}) {
        INFO(text);
        const Error error = error_of([&] { (void)parse_manifest(text, "/store/x"); });
        REQUIRE(error.kind() == Kind::damaged);
        REQUIRE(contains(error.message(), "/store/x"));
    }
}

TEST_CASE("a volume's folder leads out of no checkpoint") {
    for (const char* folder : {"", "..", "../../etc", "/etc", "0/..", "-1"}) {
        Manifest manifest = sample();
        manifest.volumes.front().folder = folder;
        INFO(folder);
        const Error error = error_of([&] { (void)parse_manifest(to_text(manifest), "/store/x"); });
        REQUIRE(error.kind() == Kind::damaged);
        REQUIRE(contains(error.message(), "/store/x"));
    }
}

TEST_CASE("a newer format is told apart from damage, whatever else it holds") {
    std::string text = to_text(sample());
    text.replace(text.find("\"format\": 2"), 11, "\"format\": 3");
    REQUIRE_THROWS_AS(parse_manifest(text, "x"), NewerFormat);
    REQUIRE_THROWS_AS(parse_manifest("{\"format\": 99}", "x"), NewerFormat);
    const Error error = error_of([] { (void)parse_manifest("{\"format\": 99}", "x"); });
    REQUIRE(error.kind() == Kind::damaged);
    REQUIRE(contains(error.message(), "format 99"));
    REQUIRE(contains(error.hint(), "update stasis"));
}

TEST_CASE("a format older than any that is read is damaged, not newer") {
    const auto parse = [] { (void)parse_manifest("{\"format\": 0}", "x"); };
    REQUIRE(contains(error_of(parse).message(), "older"));
    REQUIRE(error_of(parse).kind() == Kind::damaged);
    try {
        parse();
    } catch (const NewerFormat&) {
        FAIL("taken for a newer format");
    } catch (const Error&) {
    }
}

}  // namespace
}  // namespace stasis::store
