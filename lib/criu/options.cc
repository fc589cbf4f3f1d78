#include "lib/criu/options.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <string_view>

#include "lib/base/error.h"

namespace stasis::criu {
namespace {

using Setter = std::function<void(rpc::Options&, const std::string&)>;

rpc::CgroupMode cgroup_mode(const std::string& name) {
    static const std::map<std::string, rpc::CgroupMode> kModes{
        {"ignore", rpc::IGNORE}, {"none", rpc::CG_NONE}, {"props", rpc::PROPS},
        {"soft", rpc::SOFT},     {"full", rpc::FULL},    {"strict", rpc::STRICT}};
    const auto found = kModes.find(name);
    if (found == kModes.end()) throw Error(Kind::internal, "no cgroup mode '" + name + "'");
    return found->second;
}

rpc::NetworkLock network_lock(const std::string& name) {
    if (name == "iptables") return rpc::IPTABLES;
    if (name == "nftables") return rpc::NFTABLES;
    if (name == "skip") return rpc::SKIP;
    throw Error(Kind::internal, "no network lock '" + name + "'");
}

/// CRIU's name of an option to the RPC field that carries it.
const std::map<std::string, Setter>& setters() {
    using Text = const std::string&;
    static const std::map<std::string, Setter> kSetters{
        {"cgroup-mode", [](rpc::Options& o, Text v) { o.set_manage_cgroups_mode(cgroup_mode(v)); }},
        {"enable-external-masters", [](rpc::Options& o, Text) { o.set_ext_masters(true); }},
        {"enable-external-sharing", [](rpc::Options& o, Text) { o.set_ext_sharing(true); }},
        {"evasive-devices", [](rpc::Options& o, Text) { o.set_evasive_devices(true); }},
        {"external", [](rpc::Options& o, Text v) { o.add_external(v); }},
        {"ext-unix-sk", [](rpc::Options& o, Text) { o.set_ext_unix_sk(true); }},
        {"file-locks", [](rpc::Options& o, Text) { o.set_file_locks(true); }},
        {"force-irmap", [](rpc::Options& o, Text) { o.set_force_irmap(true); }},
        {"freeze-cgroup", [](rpc::Options& o, Text v) { o.set_freeze_cgroup(v); }},
        {"ghost-limit", [](rpc::Options& o, Text v) { o.set_ghost_limit(static_cast<unsigned>(std::stoul(v))); }},
        {"irmap-scan-path", [](rpc::Options& o, Text v) { o.add_irmap_scan_paths(v); }},
        {"link-remap", [](rpc::Options& o, Text) { o.set_link_remap(true); }},
        {"mntns-compat-mode", [](rpc::Options& o, Text) { o.set_mntns_compat_mode(true); }},
        {"network-lock", [](rpc::Options& o, Text v) { o.set_network_lock(network_lock(v)); }},
        {"orphan-pts-master", [](rpc::Options& o, Text) { o.set_orphan_pts_master(true); }},
        {"root", [](rpc::Options& o, Text v) { o.set_root(v); }},
        {"shell-job", [](rpc::Options& o, Text) { o.set_shell_job(true); }},
        {"skip-in-flight", [](rpc::Options& o, Text) { o.set_tcp_skip_in_flight(true); }},
        {"tcp-established", [](rpc::Options& o, Text) { o.set_tcp_established(true); }},
        {"timeout", [](rpc::Options& o, Text v) { o.set_timeout(static_cast<unsigned>(std::stoul(v))); }},
    };
    return kSetters;
}

}  // namespace

void apply(const OptionList& chosen, const Version& version, rpc::Options& options) {
    for (const Option& option : chosen) {
        const auto setter = setters().find(option.key);
        if (setter == setters().end()) throw Error(Kind::internal, "CRIU's option '" + option.key + "' has no field");
        // An older one locks: more than is needed, and undone by itself.
        if (option.key == "network-lock" && option.value == "skip" && version < kNetworkLockSkip) continue;
        setter->second(options, option.value);
    }
}

std::string restore_configuration(const OptionList& chosen) {
    constexpr std::array<std::string_view, 8> kAtRestoreToo{"evasive-devices", "ext-unix-sk",       "file-locks",
                                                            "force-irmap",     "irmap-scan-path",   "link-remap",
                                                            "network-lock",    "tcp-established"};
    std::string text;
    for (const Option& option : chosen)
        if (std::find(kAtRestoreToo.begin(), kAtRestoreToo.end(), option.key) != kAtRestoreToo.end())
            text += option.value.empty() ? option.key + "\n" : option.key + " " + option.value + "\n";
    return text;
}

}  // namespace stasis::criu
