#include "lib/criu/known_trouble.h"
#include "lib/ops/kernel_config.h"
#include "lib/ops/kernel_needs.h"
#include "tests/unit/catch.h"

namespace stasis::ops {
namespace {

std::vector<std::string> lacks(const std::set<std::string>& features, const KernelConfig& kernel) {
    std::vector<std::string> names;
    for (const LackingOption& lacking : lacking_options(features, kernel)) names.push_back(lacking.option);
    return names;
}

using Names = std::vector<std::string>;

TEST_CASE("the configuration of a kernel is read") {
    const KernelConfig kernel = parse_kernel_config(
        "#\n# Linux/x86 6.12.107 Kernel Configuration\n#\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n"
        "CONFIG_D=\"y\"\nCONFIG_E=9\n",
        "", "/x");
    REQUIRE(kernel.release == "6.12.107");
    REQUIRE(kernel.enabled == std::set<std::string>{"A", "B"});
    REQUIRE(parse_kernel_config("CONFIG_A=y\n", "6.1.0-44", "/x").release == "6.1.0-44");
}

TEST_CASE("of a kernel only what the target uses is missed") {
    KernelConfig kernel{"6.12.0", "/x", {"CHECKPOINT_RESTORE", "FHANDLE", "TIME_NS", "UNIX_DIAG"}};
    REQUIRE(lacks({}, kernel).empty());
    REQUIRE(lacks({"socket UNIX", "file other"}, kernel).empty());
    REQUIRE(lacks({"file tun"}, kernel) == Names{"CONFIG_TUN"});
    REQUIRE(lacks({"socket TCP"}, kernel) == Names{"CONFIG_INET_DIAG", "CONFIG_INET_TCP_DIAG"});
    kernel.enabled.erase("CHECKPOINT_RESTORE");
    REQUIRE(lacks({}, kernel) == Names{"CONFIG_CHECKPOINT_RESTORE"});
    REQUIRE(lacks({"file tun"}, {"6.12.0", "", {}}).empty());
}

TEST_CASE("control groups of v1 have an option of their own for memory since 6.11") {
    const std::set<std::string> enabled{"CHECKPOINT_RESTORE", "FHANDLE", "TIME_NS", "UNIX_DIAG", "MEMCG"};
    REQUIRE(lacks({"cgroup memory", "cgroup v1 memory"}, {"6.1.0", "/x", enabled}).empty());
    REQUIRE(lacks({"cgroup memory", "cgroup v1 memory"}, {"6.12.0", "/x", enabled}) == Names{"CONFIG_MEMCG_V1"});
}

TEST_CASE("trouble ahead: a newer kernel, and an older one") {
    const auto ahead = [](const criu::Version& criu, const char* now, const char* then) {
        return criu::trouble_ahead(criu, now, then, {true, true});
    };
    REQUIRE(ahead({4, 1, 1}, "6.1.0", "6.12.0").empty());
    REQUIRE(ahead({4, 1, 1}, "6.12.0", "6.1.0").empty());
    REQUIRE(ahead({4, 1, 1}, "6.12.0", "7.2.0").size() == 2);
    REQUIRE(ahead({4, 1, 1}, "7.2.0", "6.12.0").empty());
    const std::vector<criu::KnownTrouble> back = ahead({4, 2, 1}, "7.2.0", "6.1.0");
    REQUIRE(back.size() == 1);
    REQUIRE_FALSE(back.front().fixed_in);
    REQUIRE(criu::trouble_ahead({4, 2, 1}, "7.2.0", "6.1.0", {true, false}).empty());
    REQUIRE(ahead({4, 2, 1}, "7.2.0", "6.3.0").empty());
}

}  // namespace
}  // namespace stasis::ops
