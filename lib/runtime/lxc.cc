#include "lib/runtime/lxc.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/proc/cgroups.h"
#include "lib/proc/orphans.h"
#include "lib/runtime/lxc_terminals.h"
#include "lib/runtime/oci.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

constexpr int kDeathTimeoutMs = 10'000;

/// Beside the images: which terminal liblxc hands back as the console at restore (5.0.2, criu.c).
constexpr const char* kConsoleFile = "tty.info";

/// In a container's folder, and in a checkpoint's.
constexpr const char* kConfig = "config";

/// As another user LXC has other containers, which CRIU can't handle.
bool is_usable() { return ::geteuid() == 0 && sys::find_program("lxc-checkpoint").has_value(); }

/// From lxc.start.order: LXC starts the lower ones first (lxc.container.conf(5)), so these are to be stopped last.
std::string order_from(const std::string& start_order) {
    int first = 0;
    (void)std::from_chars(start_order.data(), start_order.data() + start_order.size(), first);
    return std::to_string(-static_cast<long>(first));
}

/// `dir:/path` or `/path`; empty for a root file system of another kind.
Path folder_of_rootfs(const std::string& setting) {
    const std::string path = setting.starts_with("dir:") ? setting.substr(4) : setting;
    return path.starts_with("/") && path != "/" ? path : "";
}

/// Where its cgroups begin; LXC gives a container another name than before where that one is taken.
std::string cgroup_of(pid_t init) {
    for (const proc::CgroupMembership& group : proc::cgroups(init))
        if (group.path != "/") return proc::top_of(group.path);
    return "";
}

/// What CRIU says before its log begins, and LXC of itself.
std::vector<std::string> words_of(const sys::UniqueFd& said) { return {sys::read_all(said.get(), "what LXC said")}; }

/// LXC knows the container no more. Its files stay, also those in its folder.
void forget(const Path& folder) {
    std::error_code not_empty;
    std::filesystem::remove(folder / kConfig, not_empty);
    std::filesystem::remove(folder, not_empty);
}

/// liblxc has CRIU write into the folder of the images.
void take_log(const Path& images, const Path& to) {
    std::error_code missing;
    std::filesystem::copy_file(images / "restore.log", to, std::filesystem::copy_options::overwrite_existing, missing);
    for (const char* name : {"restore.log", "stats-restore"}) std::filesystem::remove(images / name, missing);
}

/// Freezes a container whose tasks CRIU has left stopped, so that it comes back without a step. A SIGCONT is taken when
/// it is thawed.
void freeze_stopped(std::vector<std::string> lxc_freeze, pid_t init, bool hold) {
    sys::Command freeze;
    freeze.args = std::move(lxc_freeze);
    (void)sys::run_or_throw(freeze);
    if (!hold) proc::continue_tree(init);
}

}  // namespace

Path LxcAdapter::folder() const {
    if (!is_usable()) return {};
    if (path_) return *path_;
    return sys::first_line(sys::ask({"lxc-config", "lxc.lxcpath"}));
}

std::vector<std::string> LxcAdapter::command(const std::string& program, const std::string& container) const {
    return {program, "--lxcpath", folder(), "--name", container};
}

Path LxcAdapter::config_of(const std::string& container) const { return folder() / container / kConfig; }

std::string LxcAdapter::setting(const std::string& container, const std::string& key, const Path& file) const {
    std::vector<std::string> words = command("lxc-info", container);
    words.insert(words.end(), {"--no-humanize", "--config", key});
    if (!file.empty()) words.insert(words.end(), {"--rcfile", file});
    std::string value = sys::ask(words);
    while (value.ends_with('\n')) value.pop_back();
    return value;
}

std::optional<proc::Stat> LxcAdapter::init(const std::string& container) const {
    std::vector<std::string> words = command("lxc-info", container);
    words.insert(words.end(), {"--no-humanize", "--pid"});
    const std::string text = sys::ask(words);
    pid_t pid = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), pid);
    return pid > 0 ? proc::read_stat(pid) : std::nullopt;
}

std::string LxcAdapter::version() const {
    return is_usable() ? "lxc " + sys::first_line(sys::ask({"lxc-checkpoint", "--version"})) : "";
}

bool LxcAdapter::knows(const std::string& container) const {
    const Path all = folder();
    return !all.empty() && std::filesystem::exists(all / container / kConfig);
}

Status LxcAdapter::status(const std::string& container) const {
    if (!knows(container)) return Status::absent;
    std::vector<std::string> words = command("lxc-info", container);
    words.insert(words.end(), {"--no-humanize", "--state"});
    const std::string text = sys::first_line(sys::ask(words));
    if (text == "STOPPED") return Status::stopped;
    if (text == "STARTING") return Status::created;
    if (text == "FROZEN" || text == "FREEZING") return Status::paused;
    return Status::running;
}

std::optional<std::vector<std::string>> LxcAdapter::list() const {
    const Path all = folder();
    if (all.empty()) return std::nullopt;
    std::vector<std::string> names;
    std::error_code missing;
    for (const auto& entry : std::filesystem::directory_iterator(all, missing))
        if (std::filesystem::exists(entry.path() / kConfig)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
}

bool LxcAdapter::made_since(const std::string& container, std::filesystem::file_time_type moment) const {
    struct statx found {};
    const Path made = folder() / container;
    if (::statx(AT_FDCWD, made.c_str(), 0, STATX_BTIME, &found) != 0 || (found.stx_mask & STATX_BTIME) == 0)
        return false;
    return std::chrono::file_clock::from_sys(std::chrono::sys_seconds(std::chrono::seconds(found.stx_btime.tv_sec))) >
           moment;
}

void LxcAdapter::refuse_unsupported(const std::string& container) const {
    const auto refuse = [&](const std::string& why, const std::string& remedy) {
        throw Error(Kind::failed, "the container '" + container + "' " + why).hint(remedy);
    };
    if (const std::string rootfs = setting(container, "lxc.rootfs.path"); folder_of_rootfs(rootfs).empty())
        refuse("has the root file system '" + rootfs + "', and stasis keeps LXC's only where it is a folder",
               "give it one of its own (lxc.rootfs.path = dir:...)");
    if (setting(container, "lxc.ephemeral") == "1")
        refuse("is removed by LXC as soon as it ends (lxc.ephemeral): nothing would be left to restore",
               "make it without lxc.ephemeral");
    if (const std::optional<proc::Stat> first = init(container))
        if (const uid_t user = proc::read_status(first->parent).uid; user != 0)
            refuse(fmt::format("was started by user {}, and LXC restores root's alone", user),
                   "run it as root; with lxc.idmap its processes are as unprivileged");
    std::istringstream types(setting(container, "lxc.net"));
    for (std::string type; types >> type;) {
        // CRIU's restore of a veth fails there with EOPNOTSUPP (4.2.1, Linux 6.18).
        if (type == "veth" && !setting(container, "lxc.idmap").empty())
            refuse("is unprivileged (lxc.idmap) and has a veth, which CRIU can't make again in its user namespace",
                   "run it without lxc.idmap, or with lxc.net.0.type = empty");
        if (type != "empty" && type != "veth")
            refuse("has a network of the type '" + type + "', which stasis does not restore with LXC",
                   "give it lxc.net.0.type = veth, or empty");
    }
}

std::vector<BindMount> LxcAdapter::bind_mounts(const std::string& container) const {
    std::vector<BindMount> result;
    std::istringstream lines(setting(container, "lxc.mount.entry"));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string source, destination, type, options;
        words >> source >> destination >> type >> options;
        if (options.find("bind") == std::string::npos) continue;
        result.push_back(
            {source, "/" + destination.substr(std::min(destination.find_first_not_of('/'), destination.size()))});
    }
    return result;
}

Description LxcAdapter::describe(const std::string& container) const {
    require_known(container);
    refuse_unsupported(container);
    const std::optional<proc::Stat> first = init(container);
    if (!first)
        throw Error(Kind::failed, "the container '" + container + "' does not run: there is no process to dump")
            .hint("`lxc-start " + container + "` first, or `stasis restore` if it has a stop state");

    Description description;
    description.runtime = name();
    description.name = container;
    description.init = first->id;
    description.paused = status(container) == Status::paused;
    description.rootfs = folder_of_rootfs(setting(container, "lxc.rootfs.path"));
    description.order = order_from(setting(container, "lxc.start.order"));
    description.volumes = bind_mounts(container);
    description.freezer = freezer_of(first->id);
    description.options = {{"cgroup-mode", "full", "LXC restores its cgroups that way"},
                           {"cgroup-root", cgroup_of(first->id.pid), "LXC may restore it to cgroups of another name"},
                           {"enable-external-sharing", "", "LXC's mounts share with the host's"},
                           {"enable-external-masters", "", "LXC's mounts may follow the host's"},
                           {"enable-fs", "hugetlbfs", "LXC mounts it"},
                           {"enable-fs", "tracefs", "LXC mounts it"}};
    if (description.paused)
        description.options.push_back({"freeze-cgroup", description.freezer, "the container is frozen and stays so"});
    for (const BindMount& mount : description.volumes)
        description.options.push_back({"external", "mnt[" + mount.destination + "]:" + mount.destination.substr(1),
                                       "this mount comes from outside the container"});
    const LxcTerminals terminals = lxc_terminals(first->id.pid);
    if (const std::optional<proc::Stat> heir = heir_of(terminals, first->id.pid))
        throw Error(Kind::failed,
                    fmt::format("process {} ({}) of '{}' has a mount namespace of its own, and in it the terminals of "
                                "LXC, which CRIU could not restore",
                                heir->id.pid, heir->command, container))
            .hint(
                "set lxc.tty.dir = lxc and start the container again, or have the process go without (for a unit of "
                "systemd: PrivateTmp=, ProtectSystem= and the like)");
    const OptionList left_out = options_for(terminals);
    description.options.insert(description.options.end(), left_out.begin(), left_out.end());
    if (!terminals.consoles.empty()) description.image_files = {{kConsoleFile, terminals.consoles.front().id}};
    description.options.push_back({"external", "mnt[]", "CRIU finds what else is mounted from the host, as for LXC"});
    description.makes_network = true;
    description.runtime_files = {{kConfig, sys::read_file(config_of(container))}};
    description.details = {{"rootfs", description.rootfs.string()},
                           {"terminals", to_json(terminals.others)},
                           {"freezer", description.freezer.string()},
                           {"paused", description.paused}};
    return description;
}

std::vector<Evidence> LxcAdapter::evidence(const std::string& container) const {
    require_known(container);
    const std::vector<std::string> info = command("lxc-info", container);
    const Path config = config_of(container);
    return {{"lxc-info.txt", [info] { return sys::ask(info); }, EvidenceFormat::text},
            {"config.txt", [config] { return sys::read_file(config); }, EvidenceFormat::text}};
}

std::vector<std::string> LxcAdapter::obstacles(const RestorePlan& plan) const {
    if (folder().empty()) return {"there is no LXC on this host"};
    const Path config = knows(plan.name) ? config_of(plan.name) : plan.runtime_files / kConfig;
    const std::string had = plan.details.at("rootfs");
    if (const std::string has = setting(plan.name, "lxc.rootfs.path", config); folder_of_rootfs(has) != had)
        return {"its root file system is '" + has + "' now (it was '" + had + "'; see lxc.rootfs.path)"};
    std::vector<std::string> missing;
    std::istringstream types(setting(plan.name, "lxc.net", config));
    int number = 0;
    for (std::string type; types >> type; ++number) {
        const std::string link =
            type == "veth" ? setting(plan.name, fmt::format("lxc.net.{}.link", number), config) : "";
        if (!link.empty() && !std::filesystem::exists("/sys/class/net/" + link))
            missing.push_back(
                fmt::format("the bridge '{}' of its network is not there (see lxc.net.{}.link; lxc-net.service makes "
                            "LXC's own)",
                            link, number));
    }
    return missing;
}

proc::Identity LxcAdapter::restore(const RestorePlan& plan, sys::Interrupts& interrupts) const {
    const bool is_new = !knows(plan.name);
    if (is_new) {
        constexpr mode_t kAsLxc = 0640;
        std::filesystem::create_directories(folder() / plan.name);
        sys::write_file_atomically(config_of(plan.name), sys::read_file(plan.runtime_files / kConfig), kAsLxc);
    }
    try {
        return bring_back(plan, interrupts);
    } catch (const Error&) {
        if (is_new) forget(folder() / plan.name);
        throw;
    }
}

proc::Identity LxcAdapter::bring_back(const RestorePlan& plan, sys::Interrupts& interrupts) const {
    const Path freezer = plan.details.at("freezer").get<std::string>();
    end_remains(freezer);
    const bool frozen = plan.details.value("paused", false);
    const LxcSubstitutes terminals(plan.details.at("terminals"));
    const Path configuration = plan.logs / (plan.log_name + ".conf");
    sys::write_file_atomically(
        configuration,
        plan.criu_configuration + terminals.configuration() + (plan.hold || frozen ? "leave-stopped\n" : ""), 0600);

    // liblxc takes a console from the container's own devpts, where it has one (lxc.pty.max), and then does not hand
    // it to CRIU (5.0.2); the devpts itself and its size are in the images.
    const Path settings = plan.logs / (plan.log_name + ".lxc");
    sys::write_file_atomically(
        settings, "lxc.include = " + config_of(plan.name).string() + "\nlxc.pty.max = 0\nlxc.tty.max = 0\n", 0600);

    sys::Command restore;
    restore.args = command("lxc-checkpoint", plan.name);
    restore.args.insert(restore.args.end(),
                        {"--restore", "--daemon", "--verbose", "--checkpoint-dir", plan.images, "--rcfile", settings});
    restore.set_env = {"PATH=" + plan.search_path(), "CRIU_CONFIG_FILE=" + configuration.string()};
    // The monitor that it leaves behind keeps these open.
    const sys::UniqueFd said = sys::memory_file("lxc-checkpoint");
    restore.err = said.get();
    terminals.hand_to(restore);
    const proc::Orphans orphans;
    sys::Child child = sys::Child::start(restore);
    const sys::WaitStatus ended = wait_for_restore(child, ::getpid(), interrupts);

    const Path log = plan.logs / plan.log_name;
    take_log(plan.images, log);
    // It returns 0 where CRIU failed after the monitor had begun (5.0.2).
    const std::optional<proc::Stat> first = init(plan.name);
    if (ended.ok() && first && proc::is_alive(first->id)) {
        proc::give_unified_cgroups_to_owners(first->id.pid);
        if (frozen)
            pause_or_kill(plan.name,
                          [&] { freeze_stopped(command("lxc-freeze", plan.name), first->id.pid, plan.hold); });
        return first->id;
    }
    orphans.end_all();
    end_remains(freezer);
    interrupts.check();
    throw Error(Kind::failed, ended.ok() ? "the container ended right after it was restored"
                                         : "lxc-checkpoint --restore ended with " + ended.describe())
        .details(words_of(said))
        .log(log);
}

void LxcAdapter::kill(const std::string& container) const {
    const std::optional<proc::Stat> first = init(container);
    if (!first) return;
    sys::Command stop;
    stop.args = command("lxc-stop", container);
    stop.args.emplace_back("--kill");
    (void)sys::run(stop);
    if (!proc::wait_until_ended(first->id, kDeathTimeoutMs))
        throw Error(Kind::target_changed, "the container '" + container + "' was killed but does not go away");
    put_away(container);
}

void LxcAdapter::put_away(const std::string& container) const {
    if (!knows(container)) return;
    sys::Command wait;
    wait.args = command("lxc-wait", container);
    wait.args.insert(wait.args.end(), {"--state", "STOPPED", "--timeout", std::to_string(kDeathTimeoutMs / 1000)});
    if (!sys::run(wait).status.ok())
        throw Error(Kind::failed, "LXC does not notice the end of '" + container + "'")
            .hint("see whether its `[lxc monitor]` process hangs");
}

void LxcAdapter::remove(const std::string& container, const Json& details) const {
    if (!knows(container)) return;
    kill(container);
    end_remains(details.at("freezer").get<std::string>());
    forget(folder() / container);
}

}  // namespace stasis::runtime
