#include "lib/runtime/runc.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/proc/orphans.h"
#include "lib/runtime/mounts.h"
#include "lib/runtime/runc_network.h"
#include "lib/runtime/stdio.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

constexpr int kDeathTimeoutMs = 10'000;

/// runc's own names for namespaces that it did not create (libcontainer's criu code).
constexpr const char* kOutsideNetwork = "extRootNetNS";
constexpr const char* kOutsidePids = "extRootPidNS";

Status parse_status(const std::string& text) {
    if (text == "running") return Status::running;
    if (text == "paused") return Status::paused;
    if (text == "created") return Status::created;
    return Status::stopped;
}

/// The path of a namespace of this type that the container was given, or "".
std::string namespace_path(const Json& config, const std::string& type) {
    for (const Json& entry : config.value("/linux/namespaces"_json_pointer, Json::array()))
        if (entry.value("type", "") == type) return entry.value("path", "");
    return "";
}

bool has_own_namespace(const Json& config, const std::string& type) {
    const Json list = config.value("/linux/namespaces"_json_pointer, Json::array());
    return std::any_of(list.begin(), list.end(), [&](const Json& entry) { return entry.value("type", "") == type; });
}

Path lasting_network(const Json& config) {
    return has_own_namespace(config, "network") ? namespace_path(config, "network") : "/proc/self/ns/net";
}

std::string annotation(const Json& config, const std::string& key) {
    return config.value(Json::json_pointer("/annotations/" + key), "");
}

std::vector<BindMount> bind_mounts(const Json& config, const Path& bundle) {
    std::vector<BindMount> result;
    for (const Json& mount : config.value("mounts", Json::array())) {
        const Json options = mount.value("options", Json::array());
        const bool bind = mount.value("type", "") == "bind" ||
                          std::find(options.begin(), options.end(), "bind") != options.end() ||
                          std::find(options.begin(), options.end(), "rbind") != options.end();
        // A source that is not absolute is relative to the bundle.
        if (bind) result.push_back({bundle / mount.value("source", ""), mount.value("destination", "")});
    }
    return result;
}

/// `runc restore` hands outside mounts back under these keys: masked files as the host's
/// /dev/null, all others by where they are mounted.
std::string mount_key(const proc::Mount& mount) { return mount.root == "/null" ? "/dev/null" : mount.mount_point; }

OptionList mount_options(const proc::Identity& init, const Json& config) {
    OptionList options;
    for (const proc::Mount& mount :
         mounts_from_outside(proc::mounts(init.pid), proc::mounts(::getpid()), has_own_namespace(config, "cgroup")))
        options.push_back({"external", "mnt[" + mount.mount_point + "]:" + mount_key(mount),
                           "this mount comes from outside the container"});
    return options;
}

OptionList namespace_options(const proc::Identity& init, const Json& config) {
    OptionList options;
    if (!namespace_path(config, "network").empty())
        options.push_back({"external",
                           fmt::format("net[{}]:{}", proc::namespace_inode(init.pid, "net"), kOutsideNetwork),
                           "its network namespace was made before it and outlives it"});
    if (!namespace_path(config, "pid").empty())
        options.push_back({"external", fmt::format("pid[{}]:{}", proc::namespace_inode(init.pid, "pid"), kOutsidePids),
                           "its pid namespace was made before it and outlives it"});
    return options;
}

/// The folder of the freezer that runc uses for the container, or "" where the init sits in the
/// root of the hierarchy.
Path freezer_of(const proc::Identity& init) {
    const Path base = "/sys/fs/cgroup";
    Path unified;
    for (const proc::CgroupMembership& group : proc::cgroups(init.pid)) {
        if (group.path == "/") continue;
        if (group.controllers == "freezer") return base / "freezer" / group.path.substr(1);
        if (group.controllers.empty()) unified = base / group.path.substr(1);
    }
    return unified;
}

/// Waits for `runc restore`. A CRIU that dies half way leaves tasks that hold its socket, so that
/// runc never sees the end of file and waits for ever (runc 1.1.5): then these are ended, and so they are
/// with a CRIU that hangs after an interrupt.
sys::WaitStatus wait_for_restore(sys::Child& runc, sys::Interrupts& interrupts) {
    constexpr int kBetweenLooksMs = 1000;
    constexpr int kLooksAfterInterrupt = 2;
    const std::uint64_t own_pids = proc::namespace_inode(::getpid(), "pid");
    const auto is_criu = [](const proc::Stat& child) { return child.command == "criu"; };
    pollfd ended{runc.pidfd(), POLLIN, 0};
    for (int interrupted = 0; ::poll(&ended, 1, kBetweenLooksMs) == 0;) {
        if (interrupts.pending()) ++interrupted;
        const std::vector<proc::Stat> children = proc::children_of(runc.pid());
        const bool died = std::any_of(children.begin(), children.end(), [&](const proc::Stat& child) {
            return is_criu(child) && proc::ended_by_signal(child.id.pid);
        });
        if (!died && interrupted <= kLooksAfterInterrupt) continue;
        for (const proc::Stat& child : children)
            if (is_criu(child) || proc::namespace_inode(child.id.pid, "pid") != own_pids) proc::kill_and_wait(child.id);
    }
    return runc.wait();
}

/// Half-made tasks of a restore whose runc, CRIU and stasis were killed together; nobody else ends
/// them. `freezer` as in the description; only called while the container does not run.
void end_remains(const Path& freezer) {
    const std::uint64_t own_pids = proc::namespace_inode(::getpid(), "pid");
    std::istringstream pids(freezer.empty() ? "" : sys::read_file_if_exists(freezer / "cgroup.procs").value_or(""));
    for (pid_t pid = 0; pids >> pid;) {
        const std::optional<proc::Stat> task = proc::read_stat(pid);
        if (task && (task->command == "criu" || proc::namespace_inode(pid, "pid") != own_pids))
            proc::kill_and_wait(task->id);
    }
}

Json read_config(const Path& bundle) {
    try {
        return Json::parse(sys::read_file(bundle / "config.json"));
    } catch (const nlohmann::json::exception&) {
        throw Error(Kind::failed, "'" + (bundle / "config.json").string() + "' is not a runc configuration");
    }
}

}  // namespace

std::vector<std::string> RuncAdapter::command(const std::vector<std::string>& words) const {
    std::vector<std::string> args{"runc", "--root", root_};
    args.insert(args.end(), words.begin(), words.end());
    return args;
}

std::string RuncAdapter::version() const {
    sys::Command version;
    version.args = {"runc", "--version"};
    const std::string said = sys::run_or_throw(version);
    return said.substr(0, said.find('\n'));
}

bool RuncAdapter::knows(const std::string& container) const {
    return ::access((root_ / container / "state.json").c_str(), F_OK) == 0;
}

std::optional<Json> RuncAdapter::state(const std::string& container) const {
    if (!knows(container)) return std::nullopt;
    sys::Command command;
    command.args = this->command({"state", container});
    const sys::RunResult result = sys::run(command);
    if (result.status.ok()) return Json::parse(result.out);
    if (!knows(container)) return std::nullopt;  // deleted meanwhile
    // It may run: nobody must take it for absent, and restore over it.
    throw Error(Kind::failed,
                "`runc state " + container + "` does not work: " + result.err.substr(0, result.err.find('\n')));
}

Status RuncAdapter::status(const std::string& container) const {
    const std::optional<Json> known = state(container);
    return known ? parse_status(known->at("status")) : Status::absent;
}

std::optional<std::vector<std::string>> RuncAdapter::list() const {
    std::vector<std::string> names = sys::list_directory(root_);
    std::erase_if(names, [this](const std::string& name) { return !knows(name); });
    return names;
}

bool RuncAdapter::made_since(const std::string& container, std::filesystem::file_time_type moment) const {
    // runc makes the folder for the container, and later replaces what is in it.
    std::error_code missing;
    const auto changed = std::filesystem::last_write_time(root_ / container / "state.json", missing);
    return !missing && changed > moment;
}

Description RuncAdapter::describe(const std::string& container) const {
    require_known(container);
    const std::optional<Json> known = state(container);
    if (!known) throw Error(Kind::failed, "the container '" + container + "' was deleted while we looked at it");
    const Status status = parse_status(known->at("status"));
    if (status == Status::created || status == Status::stopped)
        throw Error(Kind::failed, "the container '" + container + "' is " + known->at("status").get<std::string>() +
                                      ": there is no running process to dump")
            .hint(status == Status::created ? "`runc start " + container + "` first"
                                            : "`stasis restore` brings a stop state back");
    const std::optional<proc::Stat> init = proc::read_stat(known->at("pid"));
    if (!init) throw Error(Kind::failed, "the container '" + container + "' ended while we looked at it");

    const Path bundle = known->at("bundle").get<std::string>();
    const Json config = read_config(bundle);
    const Stdio stdio = look_at_stdio(init->id.pid);

    Description description;
    description.runtime = name();
    description.name = container;
    description.init = init->id;
    description.paused = status == Status::paused;
    description.rootfs = known->at("rootfs").get<std::string>();
    description.volumes = bind_mounts(config, bundle);
    description.freezer = freezer_of(init->id);
    description.order = annotation(config, "org.stasis.order");

    description.options = {
        {"root", description.rootfs, "the container's root file system"},
        {"cgroup-mode", "soft", "runc makes the container's cgroups again; the host's stay as they are"}};
    for (const OptionList& more : {mount_options(init->id, config), namespace_options(init->id, config), stdio.options})
        description.options.insert(description.options.end(), more.begin(), more.end());
    if (description.paused)
        description.options.push_back({"freeze-cgroup", description.freezer, "the container is paused and stays so"});

    description.lasting_network = lasting_network(config);
    description.image_files = {{"descriptors.json", Json(stdio.targets).dump()}};
    description.runtime_files = {{"config.json", sys::read_file(bundle / "config.json")}};
    description.details = {{"root", root_.string()},
                           {"bundle", bundle.string()},
                           {"freezer", description.freezer.string()},
                           {"paused", description.paused},
                           {"stdio", stdio.details},
                           {"console", stdio.console},
                           {"network_path", namespace_path(config, "network")},
                           {"own_network", description.lasting_network.empty()}};
    return description;
}

std::vector<Evidence> RuncAdapter::evidence(const std::string& container) const {
    require_known(container);
    const auto state = [this, container] { return sys::ask(command({"state", container})); };
    const auto config = [state] {
        return sys::read_file(Path(Json::parse(state()).at("bundle").get<std::string>()) / "config.json");
    };
    return {{"state.json", state, EvidenceFormat::json}, {"config.json", config, EvidenceFormat::json}};
}

std::vector<std::string> RuncAdapter::obstacles(const RestorePlan& plan) const {
    std::vector<std::string> found;
    const Path bundle = plan.details.at("bundle").get<std::string>();
    const std::optional<std::string> config = sys::read_file_if_exists(bundle / "config.json");
    if (config && *config != sys::read_file(plan.runtime_files / "config.json"))
        found.push_back("'" + (bundle / "config.json").string() +
                        "' has changed since the dump; the one it needs is '" +
                        (plan.runtime_files / "config.json").string() + "'");
    const std::string network = plan.details.at("network_path");
    if (!network.empty() && ::access(network.c_str(), F_OK) != 0)
        found.push_back("the network namespace '" + network + "' is not there; create it, with its addresses, first");
    if (plan.details.at("console").get<bool>() && !plan.console_socket)
        found.push_back(
            "it has a console, whose other end someone must hold: name a socket with --console-socket, as for `runc "
            "run`");
    return found;
}

void RuncAdapter::clear_away(const std::string& container) const {
    if (!std::filesystem::exists(std::filesystem::symlink_status(root_ / container))) return;
    sys::Command remove;
    remove.args = command({"delete", container});
    // A runc that was killed before it wrote a state has left a folder without one; only --force removes it.
    if (!knows(container)) remove.args = command({"delete", "--force", container});
    (void)sys::run_or_throw(remove);
}

proc::Identity RuncAdapter::restore(const RestorePlan& plan, sys::Interrupts& interrupts) const {
    const Path bundle = plan.details.at("bundle").get<std::string>();
    if (!std::filesystem::exists(bundle / "config.json")) {
        std::filesystem::create_directories(bundle);
        sys::write_file_atomically(bundle / "config.json", sys::read_file(plan.runtime_files / "config.json"), 0644);
    }
    clear_away(plan.name);
    end_remains(plan.details.at("freezer").get<std::string>());

    // runc's restore has no flag for most of CRIU's options; CRIU reads them from this file.
    const Path configuration = plan.logs / (plan.log_name + ".conf");
    // Works beside runc's own options (runc 1.1.5, CRIU 4.2.1); runc then says that it runs.
    const std::string hold = plan.hold ? "leave-stopped\n" : "";
    sys::write_file_atomically(configuration,
                               plan.criu_configuration + inherit_configuration(plan.details.at("stdio")) + hold, 0600);
    const Path runc_log = plan.logs / (plan.log_name + ".runc");
    const Path pid_file = plan.logs / (plan.log_name + ".pid");
    std::vector<std::string> words{"--log",
                                   runc_log,
                                   "restore",
                                   "--detach",
                                   "--pid-file",
                                   pid_file,
                                   "--bundle",
                                   bundle,
                                   "--image-path",
                                   plan.images,
                                   "--work-path",
                                   plan.logs,
                                   "--manage-cgroups-mode",
                                   "soft",
                                   "--tcp-established",
                                   "--file-locks"};
    if (plan.lazy) words.emplace_back("--lazy-pages");
    if (plan.console_socket) words.insert(words.end(), {"--console-socket", plan.console_socket->string()});
    words.push_back(plan.name);

    sys::Command restore;
    restore.args = command(words);
    if (plan.details.at("own_network").get<bool>()) {
        const std::string self = sys::read_link("/proc/self/exe").value_or("");
        const Path config = plan.logs / (plan.log_name + ".config.json");
        sys::write_file_atomically(config, with_network_hook(read_config(bundle), self), 0600);
        const std::vector<std::string> prefix{self, "run-with-config", config, bundle / "config.json", "--"};
        restore.args.insert(restore.args.begin(), prefix.begin(), prefix.end());
    }
    const std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
    restore.set_env = {"PATH=" + plan.criu.parent_path().string() + ":" + path,
                       "CRIU_CONFIG_FILE=" + configuration.string()};
    const std::array<sys::UniqueFd, 3> stdio = open_again(plan.details.at("stdio"));
    restore.in = stdio[0].get();
    restore.out = stdio[1].get();
    restore.err = stdio[2].get();
    if (plan.lock_fd >= 0) restore.descriptors.emplace_back(plan.lock_fd, plan.lock_fd);
    const proc::Orphans orphans;
    sys::Child runc = sys::Child::start(restore);
    const sys::WaitStatus ended = wait_for_restore(runc, interrupts);

    const Path criu_log = plan.logs / plan.log_name;
    (void)::rename((plan.logs / "restore.log").c_str(), criu_log.c_str());
    if (!ended.ok()) {
        orphans.end_all();
        interrupts.check();
        const std::string said = sys::read_file_if_exists(runc_log).value_or("");
        throw Error(Kind::failed, "runc restore ended with " + ended.describe())
            .details({said.substr(0, said.find('\n'))})
            .log(criu_log);
    }
    if (plan.details.at("paused").get<bool>()) {
        sys::Command pause;
        pause.args = command({"pause", plan.name});
        (void)sys::run_or_throw(pause);
    }
    const std::optional<proc::Stat> init = proc::read_stat(std::stoi(sys::read_file(pid_file)));
    if (!init || !proc::is_alive(init->id))
        throw Error(Kind::failed, "the container ended right after it was restored").log(criu_log);
    return init->id;
}

void RuncAdapter::kill(const std::string& container) const {
    const std::optional<Json> known = state(container);
    if (!known) return;
    const std::optional<proc::Stat> init = proc::read_stat(known->at("pid"));
    sys::Command kill;
    kill.args = command({"kill", container, "KILL"});
    (void)sys::run_or_throw(kill);
    if (parse_status(known->at("status")) == Status::paused) {
        // A frozen task takes the signal when it is thawed.
        sys::Command resume;
        resume.args = command({"resume", container});
        (void)sys::run(resume);
    }
    if (init && !proc::wait_until_ended(init->id, kDeathTimeoutMs))
        throw Error(Kind::target_changed, "the container '" + container + "' was killed but does not go away");
}

void RuncAdapter::remove(const std::string& container, const Json& details) const {
    const Status now = status(container);
    if (now == Status::running || now == Status::paused || now == Status::created) kill(container);
    clear_away(container);
    end_remains(details.at("freezer").get<std::string>());
    if (std::filesystem::exists(root_ / container)) {
        sys::Command remove;
        remove.args = command({"delete", "--force", container});
        (void)sys::run_or_throw(remove);
    }
}

}  // namespace stasis::runtime
