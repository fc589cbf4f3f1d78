#include "lib/runtime/podman.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "lib/base/error.h"
#include "lib/proc/orphans.h"
#include "lib/runtime/crun_restore.h"
#include "lib/runtime/oci.h"
#include "lib/runtime/podman_archive.h"
#include "lib/runtime/podman_config.h"
#include "lib/runtime/podman_conmon.h"
#include "lib/runtime/podman_network.h"
#include "lib/runtime/podman_program.h"
#include "lib/runtime/podman_storage.h"
#include "lib/runtime/runc_network.h"
#include "lib/runtime/stdio.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

constexpr int kDeathTimeoutMs = 10'000;

/// podman leaves it to crun where the state of containers is kept.
const Path kCrunFolder = "/run/crun";

/// As another user podman has other containers, which CRIU can't handle.
bool is_usable() { return ::geteuid() == 0 && sys::find_program("podman").has_value(); }

/// What `podman inspect` says, or nothing where podman knows no such container.
std::optional<Json> inspect(const std::string& container) {
    if (!is_usable()) return std::nullopt;
    const sys::RunResult result = sys::run(podman({"container", "inspect", container}));
    if (result.status.ok()) return Json::parse(result.out).at(0);
    if (result.err.find("no such container") != std::string::npos) return std::nullopt;
    // It may run: nobody must take it for absent, and restore over it.
    throw Error(Kind::failed,
                "`podman container inspect " + container + "` does not work: " + sys::first_line(result.err));
}

Json require(const std::string& container) {
    std::optional<Json> known = inspect(container);
    if (!known) throw Error(Kind::not_found, "podman knows no '" + container + "'");
    return *known;
}

/// "created" is also what podman calls a container that ran when the host went down.
Status status_of(const Json& known) {
    const std::string text = known.at("State").at("Status");
    if (text == "running" || text == "stopping") return Status::running;
    if (text == "paused") return Status::paused;
    if (text == "initialized") return Status::created;
    return Status::stopped;
}

std::optional<proc::Stat> init_of(const Json& known) {
    const pid_t pid = known.at("State").at("Pid");
    return pid > 0 ? proc::read_stat(pid) : std::nullopt;
}

/// The program that watches the container; its path is the administrator's choice.
std::string conmon_of(const Json& known) {
    const pid_t pid = known.at("State").at("ConmonPid");
    const std::optional<std::string> path = sys::read_link("/proc/" + std::to_string(pid) + "/exe");
    if (!path)
        throw Error(Kind::failed, "conmon, which watches '" + known.at("Name").get<std::string>() + "', has ended")
            .hint("restart the container");
    return *path;
}

Path static_folder(const Json& known) { return known.at("StaticDir").get<std::string>(); }

bool has_restart_policy(const Json& known) {
    const std::string policy = known.value("/HostConfig/RestartPolicy/Name"_json_pointer, "");
    return !policy.empty() && policy != "no";
}

bool is_crun(const std::string& runtime) { return Path(runtime).filename() == "crun"; }

/// Early manifests don't say it.
std::string runtime_of(const Json& details) { return details.value("runtime", "runc"); }

/// By which program podman runs what it says is run in `runtime`: a path, or a name to which its configuration has one.
std::string program_of(const std::string& runtime) {
    if (runtime.starts_with("/")) return runtime;
    const Json usual = podman_info().at("host").at("ociRuntime");
    return usual.at("name") == runtime ? usual.at("path").get<std::string>() : runtime;
}

/// What podman's restore can't bring back.
void refuse_unsupported(const std::string& container, const Json& known) {
    const auto refuse = [&](const std::string& why, const std::string& remedy) {
        throw Error(Kind::failed, "the container '" + container + "' " + why).hint(remedy);
    };
    const std::string runtime = known.value("OCIRuntime", "");
    if (!is_crun(runtime) && Path(runtime).filename() != "runc")
        refuse("runs in " + runtime + ", and stasis restores podman's containers by runc and crun alone",
               "make it again with `podman --runtime runc`");
    if (is_crun(runtime) && !crun_obstacle(program_of(runtime)).empty())
        refuse("runs in " + program_of(runtime) + ", which is built without CRIU: nothing could restore it",
               "make it again with `podman --runtime runc`");
    if (const std::string pod = known.value("Pod", ""); !pod.empty())
        refuse("belongs to the pod " + pod.substr(0, 12) + ": it shares namespaces with others",
               "run it without a pod");
    if (!known.value("Dependencies", Json::array()).empty())
        refuse("shares namespaces with another container", "give it namespaces of its own");
    if (has_restart_policy(known) && status_of(known) == Status::paused)
        refuse("is paused and has a restart policy: podman would start it again", "`podman unpause` it first");
    if (known.value("/HostConfig/AutoRemove"_json_pointer, false))
        refuse("is removed by podman as soon as it ends (--rm): nothing would be left to restore",
               "run it without --rm");
}

/// The mounts that the user asked for; podman makes the others (/etc/hosts, for one) itself.
std::vector<BindMount> volumes_of(const Json& known) {
    std::vector<BindMount> volumes;
    for (const Json& mount : known.value("Mounts", Json::array()))
        // An image that is mounted has a name there, and devpts has none.
        if (const std::string source = mount.value("Source", "");
            source.starts_with("/") && mount.value("Type", "") != "tmpfs")
            volumes.push_back({source, mount.value("Destination", "")});
    return volumes;
}

/// /dev/shm, where podman has mounted it for this container alone.
std::vector<BindMount> own_folders(const Json& known, const Json& config) {
    const std::string own = static_folder(known) / "shm";
    for (const Json& mount : config.value("mounts", Json::array()))
        if (mount.value("destination", "") == "/dev/shm" && mount.value("source", "") == own)
            return {{own, "/dev/shm"}};
    return {};
}

/// What lies in a container's folder for the time of a restore.
class Guests {
  public:
    Guests() = default;
    Guests(const Guests&) = delete;
    Guests& operator=(const Guests&) = delete;
    ~Guests() {
        std::error_code ignored;
        for (const Path& path : paths_) std::filesystem::remove(path, ignored);
    }

    /// A place that is free afterwards: what a broken restore left there is removed.
    const Path& add(Path path) {
        std::filesystem::remove_all(path);
        return paths_.emplace_back(std::move(path));
    }

  private:
    std::vector<Path> paths_;
};

/// podman unpacks this archive into the new /dev/shm.
void pack_shared_memory(const Path& folder, const Path& archive) {
    sys::Command tar;
    tar.args = {"tar", "--create", "--sparse", "--numeric-owner", "--directory", folder, "--file", archive, "."};
    (void)sys::run_or_throw(tar);
    for (const auto& entry : std::filesystem::directory_iterator(folder)) std::filesystem::remove_all(entry.path());
}

/// The configuration of a dump; for a container that was made again, whose layer is another one, what podman has made
/// of it then.
Json restored_config(const RestorePlan& plan, const Path& bundle) {
    Json dumped = Json::parse(sys::read_file(plan.runtime_files / "config.json"));
    if (!std::filesystem::exists(bundle / "config.json")) return dumped;
    Json here = read_oci_config(bundle);
    return here.at("root") == dumped.at("root") ? dumped : here;
}

void write_config(const Path& bundle, const Json& config) {
    sys::write_file_atomically(bundle / "config.json", config.dump(), 0644);
}

/// What a restore that was killed has left.
void clear_remains(const Json& details) {
    end_remains(details.at("freezer").get<std::string>());
    if (is_crun(runtime_of(details))) clear_crun_remains(details);
}

/// conmon has podman do the same when a container ends; whoever comes second finds it done.
sys::RunResult clean_up(const std::string& container) { return sys::run(podman({"container", "cleanup", container})); }

/// Moves CRIU's log to the others.
void take_log(const Path& from, const Path& to) {
    std::error_code missing;
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, missing);
    std::filesystem::remove(from, missing);
}

}  // namespace

std::string PodmanAdapter::version() const { return is_usable() ? sys::version_of("podman") : ""; }

bool PodmanAdapter::knows(const std::string& container) const {
    if (!is_usable() || !podman_may_know(container)) return false;
    return sys::run(podman({"container", "exists", container})).status.ok();
}

std::string PodmanAdapter::name_of(const std::string& container) const {
    const std::optional<Json> known = inspect(container);
    return known ? known->at("Name").get<std::string>() : container;
}

Status PodmanAdapter::status(const std::string& container) const {
    const std::optional<Json> known = inspect(container);
    return known ? status_of(*known) : Status::absent;
}

std::optional<std::vector<std::string>> PodmanAdapter::list() const {
    if (!is_usable()) return std::nullopt;
    std::vector<std::string> names;
    for (const Json& container : Json::parse(sys::run_or_throw(podman({"ps", "--all", "--format", "json"}))))
        names.push_back(container.at("Names").at(0));
    std::sort(names.begin(), names.end());
    return names;
}

bool PodmanAdapter::made_since(const std::string& container, std::filesystem::file_time_type moment) const {
    const std::optional<Json> known = inspect(container);
    if (!known) return false;
    // podman writes it whenever it starts the container.
    std::error_code missing;
    const auto changed = std::filesystem::last_write_time(static_folder(*known) / "config.json", missing);
    return !missing && changed > moment;
}

Description PodmanAdapter::describe(const std::string& container) const {
    const Json known = require(container);
    const Status status = status_of(known);
    if (status != Status::running && status != Status::paused)
        throw Error(Kind::failed, "the container '" + container + "' does not run: there is no process to dump")
            .hint("`podman start " + container + "` first, or `stasis restore` if it has a stop state");
    refuse_unsupported(container, known);
    const std::optional<proc::Stat> init = init_of(known);
    if (!init) throw Error(Kind::failed, "the container '" + container + "' ended while we looked at it");

    const Path bundle = static_folder(known);
    const Json config = read_oci_config(bundle);
    const Path rootfs = config.at("root").at("path").get<std::string>();
    const bool by_crun = is_crun(known.at("OCIRuntime"));
    Description description = describe_oci({bundle, rootfs, init->id, status == Status::paused}, config,
                                           by_crun ? crun_mount_key : runc_mount_key);
    description.runtime = name();
    description.name = known.at("Name");
    if (by_crun) complete_for_crun(description, kCrunFolder / known.at("Id").get<std::string>());
    description.details["runtime"] = known.at("OCIRuntime");
    description.order = order_of(config, known.at("Config").value("Labels", Json()));
    description.rootfs_by_runtime = true;
    description.volumes = volumes_of(known);
    description.own_folders = own_folders(known, config);
    description.makes_network = true;
    if (std::string text = podman_configuration(known); !text.empty())
        description.runtime_files.push_back({kPodmanConfig, std::move(text)});
    description.details["id"] = known.at("Id");
    description.details["conmon"] = conmon_of(known);
    // podman makes the network anew, and takes it away with the container.
    if (const std::string path = description.details.at("network_path"); !path.empty()) {
        description.lasting_network.clear();
        description.runtime_files.push_back({kPodmanNetwork, network_status(known, path)});
    }
    return description;
}

std::vector<Evidence> PodmanAdapter::evidence(const std::string& container) const {
    require_known(container);
    const auto inspect = [container] { return sys::ask(podman({"container", "inspect", container}).args); };
    return {{"inspect.json", inspect, EvidenceFormat::json}};
}

std::vector<std::string> PodmanAdapter::obstacles(const RestorePlan& plan) const {
    if (!is_usable()) return {"there is no podman on this host"};
    if (std::string obstacle = conmon_obstacle(plan.logs); !obstacle.empty()) return {std::move(obstacle)};
    if (const std::string runtime = runtime_of(plan.details); is_crun(runtime))
        if (std::string obstacle = crun_obstacle(program_of(runtime)); !obstacle.empty()) return {std::move(obstacle)};
    const std::optional<Json> known = inspect(plan.name);
    if (!known) return obstacles_to_making(plan);
    const std::string id = plan.details.at("id");
    if (known->at("Id") == id) return {};
    return {"podman has another container of this name now: only the one that was dumped (" + id.substr(0, 12) +
            ") can be restored"};
}

bool PodmanAdapter::make_again(const RestorePlan& plan) const {
    make_podman_container(plan);
    return true;
}

std::optional<Path> PodmanAdapter::layer(const std::string& container) const {
    const std::optional<Json> known = inspect(container);
    const std::string folder = known ? known->value("/GraphDriver/Data/UpperDir"_json_pointer, "") : "";
    return folder.empty() ? std::nullopt : std::optional<Path>(folder);
}

void PodmanAdapter::write_archive(const ArchiveParts& parts, sys::Archive& archive, sys::Interrupts& interrupts) const {
    write_podman_archive(parts, archive, interrupts);
}

proc::Identity PodmanAdapter::restore(const RestorePlan& plan, sys::Interrupts& interrupts) const {
    const Path bundle = static_folder(require(plan.name));
    clear_remains(plan.details);

    Guests guests;
    std::filesystem::create_directory_symlink(plan.images, guests.add(bundle / "checkpoint"));
    // Left by `podman container checkpoint --export --leave-running`; podman would put those older files over ours.
    for (const char* older : {kPodmanAdded, kPodmanRemoved}) (void)guests.add(bundle / older);
    if (const auto network = sys::read_file_if_exists(plan.runtime_files / kPodmanNetwork))
        sys::write_new_file(guests.add(bundle / kPodmanNetwork), *network, 0600);
    if (std::filesystem::is_directory(bundle / "shm"))
        pack_shared_memory(bundle / "shm", guests.add(bundle / kPodmanSharedMemory));
    const Json config = restored_config(plan, bundle);
    const bool own_network = plan.details.at("own_network").get<bool>();
    write_config(bundle, own_network ? with_network_hook(config, plan) : config);

    const Path configuration = plan.logs / (plan.log_name + ".conf");
    sys::write_file_atomically(configuration,
                               plan.criu_configuration + inherit_configuration(plan.details.at("stdio")) +
                                   (is_crun(runtime_of(plan.details)) ? crun_configuration(plan.details) : "") +
                                   (plan.hold ? "leave-stopped\n" : ""),
                               0600);
    // --keep: what is ours stays ours to remove.
    sys::Command restore = podman({"--conmon", write_conmon(plan, configuration), "container", "restore", "--keep",
                                   "--tcp-established", "--file-locks", plan.details.at("id")});
    restore.set_env = {"PATH=" + plan.search_path()};  // podman itself looks for CRIU
    if (plan.lock_fd >= 0) restore.descriptors.emplace_back(plan.lock_fd, kLockFd);
    const sys::UniqueFd said = sys::memory_file("podman");
    restore.err = said.get();
    const proc::Orphans orphans;
    sys::Child child = sys::Child::start(restore);
    const sys::WaitStatus ended = wait_for_restore(child, ::getpid(), interrupts);

    const Path log = plan.logs / plan.log_name;
    take_log(bundle / "restore.log", log);
    // podman has written its own things into it. Our hook is for this restore alone; podman's next would run it, too.
    if (std::filesystem::exists(bundle / "config.json"))
        write_config(bundle, without_network_hook(read_oci_config(bundle)));
    std::error_code missing;
    std::filesystem::remove(bundle / "stats-restore", missing);
    if (!ended.ok()) {
        orphans.end_all();
        clear_remains(plan.details);
        (void)clean_up(plan.name);
        interrupts.check();
        throw Error(Kind::failed, "podman container restore ended with " + ended.describe())
            .details({sys::read_all(said.get(), "what podman said")})
            .log(log);
    }
    if (plan.details.at("paused").get<bool>())
        pause_or_kill(plan.name, [&] { (void)sys::run_or_throw(podman({"pause", plan.name})); });
    const std::optional<proc::Stat> init = init_of(require(plan.name));
    if (!init || !proc::is_alive(init->id))
        throw Error(Kind::failed, "the container ended right after it was restored").log(log);
    return init->id;
}

void PodmanAdapter::kill(const std::string& container) const {
    const std::optional<Json> known = inspect(container);
    if (!known) return;
    const std::optional<proc::Stat> init = init_of(*known);
    if (status_of(*known) == Status::paused) (void)sys::run_or_throw(podman({"unpause", container}));
    (void)sys::run_or_throw(podman({"kill", "--signal", "KILL", container}));
    if (init && !proc::wait_until_ended(init->id, kDeathTimeoutMs))
        throw Error(Kind::target_changed, "the container '" + container + "' was killed but does not go away");
    put_away(container);
}

void PodmanAdapter::keep_stopped(const std::string& container) const {
    const Json known = require(container);
    const std::optional<proc::Stat> init = init_of(known);
    if (!has_restart_policy(known) || !init) return;
    // podman restarts whatever ends, but for what it has stopped itself (4.3.1 forgets that for other signals than
    // KILL). It waits for the end of processes that CRIU holds until the dump is over, so we don't wait for podman.
    sys::Child stopping = sys::Child::start(podman({"stop", "--time", "0", container}));
    const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(kDeathTimeoutMs);
    while (proc::is_alive(init->id) && !proc::is_ending(init->id)) {
        if (std::chrono::steady_clock::now() >= limit)
            throw Error(Kind::failed, "`podman stop " + container + "` does not end the container")
                .hint("it has a restart policy, so podman must stop it: see whether podman works");
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    stopping.release();
}

void PodmanAdapter::put_away(const std::string& container) const {
    const sys::RunResult cleaned = clean_up(container);
    if (!cleaned.status.ok())
        throw Error(Kind::failed,
                    "`podman container cleanup " + container + "` does not work: " + sys::first_line(cleaned.err));
}

void PodmanAdapter::remove(const std::string& container, const Json& details) const {
    const std::optional<Json> known = inspect(container);
    if (!known || known->at("Id") != details.at("id")) return;
    clear_remains(details);
    (void)sys::run_or_throw(podman({"rm", "--force", "--time", "0", details.at("id")}));
}

}  // namespace stasis::runtime
