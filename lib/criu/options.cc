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
    static const std::map<std::string, rpc::CgroupMode> kModes{{"ignore", rpc::IGNORE}, {"none", rpc::CG_NONE},
                                                               {"props", rpc::PROPS},   {"soft", rpc::SOFT},
                                                               {"full", rpc::FULL},     {"strict", rpc::STRICT}};
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
        {"enable-fs", [](rpc::Options& o, Text v) { o.add_enable_fs(v); }},
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
        {"lsm-profile", [](rpc::Options& o, Text v) { o.set_lsm_profile(v); }},
        {"mntns-compat-mode", [](rpc::Options& o, Text) { o.set_mntns_compat_mode(true); }},
        {"network-lock", [](rpc::Options& o, Text v) { o.set_network_lock(network_lock(v)); }},
        {"orphan-pts-master", [](rpc::Options& o, Text) { o.set_orphan_pts_master(true); }},
        {"root", [](rpc::Options& o, Text v) { o.set_root(v); }},
        {"shell-job", [](rpc::Options& o, Text) { o.set_shell_job(true); }},
        {"skip-in-flight", [](rpc::Options& o, Text) { o.set_tcp_skip_in_flight(true); }},
        {"skip-mnt", [](rpc::Options& o, Text v) { o.add_skip_mnt(v); }},
        {"tcp-close", [](rpc::Options& o, Text) { o.set_tcp_close(true); }},
        {"tcp-established", [](rpc::Options& o, Text) { o.set_tcp_established(true); }},
        {"timeout", [](rpc::Options& o, Text v) { o.set_timeout(static_cast<unsigned>(std::stoul(v))); }},
    };
    return kSetters;
}

/// They can stand more than once, each with another value.
constexpr std::array<std::string_view, 5> kRepeated{"cgroup-root", "enable-fs", "external", "irmap-scan-path",
                                                    "skip-mnt"};

/// What a dump of stasis depends on: whether the target lives on, where the images go, who is asked.
constexpr std::array<std::string_view, 24> kOurs{"address",
                                                 "lazy-pages",
                                                 "port",
                                                 "ps-socket",
                                                 "tls",
                                                 "action-script",
                                                 "config",
                                                 "daemon",
                                                 "images-dir",
                                                 "leave-running",
                                                 "leave-stopped",
                                                 "log-file",
                                                 "page-server",
                                                 "parent",
                                                 "parent-path",
                                                 "pidfile",
                                                 "prev-images-dir",
                                                 "restore-detached",
                                                 "root",
                                                 "service",
                                                 "status-fd",
                                                 "stream",
                                                 "tree",
                                                 "work-dir"};

template <std::size_t size>
bool contains(const std::array<std::string_view, size>& keys, const std::string& key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
}

std::string line_of(const Option& option) {
    return option.value.empty() ? option.key + "\n" : option.key + " " + option.value + "\n";
}

}  // namespace

Option parse_option(const std::string& text) {
    const std::size_t equals = text.find('=');
    const std::string key = text.substr(0, equals);
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789-";
    if (key.empty() || key.front() == '-' || key.find_first_not_of(kLetters) != std::string::npos ||
        text.find('\n') != std::string::npos)
        throw Error(Kind::usage, "'" + text + "' is no option of CRIU")
            .hint("write it as in criu(8), without the dashes: KEY or KEY=VALUE, for example ghost-limit=64M");
    if (contains(kOurs, key)) throw Error(Kind::usage, "CRIU's option '" + key + "' is stasis's own to set");
    return {key, equals == std::string::npos ? "" : text.substr(equals + 1), "given with --criu-option"};
}

OptionList override_options(OptionList chosen, const OptionList& given) {
    for (const Option& option : given) {
        if (!contains(kRepeated, option.key) || option.value == "no")
            std::erase_if(chosen, [&](const Option& other) { return other.key == option.key; });
        if (option.value != "no") chosen.push_back(option);
    }
    return chosen;
}

void apply(const OptionList& chosen, const Version& version, rpc::Options& options) {
    for (const Option& option : chosen) {
        const auto setter = setters().find(option.key);
        if (setter == setters().end()) continue;
        // An older one locks: more than is needed, and undone by itself.
        if (option.key == "network-lock" && option.value == "skip" && version < kNetworkLockSkip) continue;
        setter->second(options, option.value);
    }
}

std::string configuration(const OptionList& chosen) {
    std::string text;
    for (const Option& option : chosen)
        if (!setters().contains(option.key)) text += line_of(option);
    return text;
}

std::string restore_configuration(const OptionList& chosen) {
    constexpr std::array<std::string_view, 9> kAtRestoreToo{"evasive-devices", "ext-unix-sk",     "file-locks",
                                                            "force-irmap",     "irmap-scan-path", "link-remap",
                                                            "network-lock",    "tcp-close",       "tcp-established"};
    std::string text;
    for (const Option& option : chosen)
        if (contains(kAtRestoreToo, option.key)) text += line_of(option);
    return text + configuration(chosen);
}

}  // namespace stasis::criu
