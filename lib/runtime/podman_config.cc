#include "lib/runtime/podman_config.h"

#include <algorithm>
#include <cstdlib>

#include "lib/base/error.h"
#include "lib/runtime/bolt.h"
#include "lib/runtime/podman_conmon.h"
#include "lib/sys/child.h"
#include "lib/sys/lock.h"

namespace stasis::runtime {
namespace {

/// In podman's archives.
constexpr const char* kPodmanSpec = "spec.dump";
constexpr const char* kNetworkStatus = "network.status";

/// Each container has userdata/ in a folder of its own in overlay-containers/, which lies beside libpod/.
Path database_of(const Path& static_folder) {
    return static_folder.parent_path().parent_path().parent_path() / "libpod" / "bolt_state.db";
}

/// podman holds the lock for as long as it looks or writes.
BoltDatabase read_database(const Path& file) {
    const sys::UniqueFd lock = sys::wait_for_lock(file);
    return BoltDatabase(sys::read_file(file));
}

sys::RunResult podman(std::vector<std::string> words) {
    sys::Command podman;
    podman.args = std::move(words);
    podman.args.insert(podman.args.begin(), "podman");
    return sys::run(podman);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// By its id, whatever its name is.
bool is_there(const RestorePlan& plan) { return podman({"container", "exists", plan.details.at("id")}).status.ok(); }

/// The image below the container: the same content, by the same name.
void add_image_obstacles(const Json& config, std::vector<std::string>& obstacles) {
    const std::string id = config.value("rootfsImageID", "");
    const std::string name = config.value("rootfsImageName", "");
    if (id.empty()) {
        obstacles.emplace_back("it has no image but a folder of its own (--rootfs)");
        return;
    }
    const sys::RunResult found = podman({"image", "inspect", "--format", "{{.Id}}", name});
    if (!found.status.ok())
        obstacles.push_back("podman has no image '" + name + "' here: bring it with `podman save` and `podman load`");
    else if (first_line(found.out) != id)
        obstacles.push_back("podman has another image '" + name + "' here (" + found.out.substr(0, 12) + ", it was " +
                            id.substr(0, 12) + ")");
}

/// The configuration names files below this folder of podman's.
void add_folder_obstacle(const Json& config, const char* key, const std::string& setting,
                         std::vector<std::string>& obstacles) {
    const std::string here = first_line(podman({"info", "--format", "{{.Store." + setting + "}}"}).out);
    if (const std::string path = config.at(key); path.rfind(here + "/", 0) != 0)
        obstacles.push_back("podman's folder '" + here + "' is another one than '" + path +
                            "' was in (see storage.conf)");
}

/// For a podman that is to find no more in it than how the container was made.
void write_archive(const RestorePlan& plan, const Path& file) {
    sys::Archive archive(file);
    (void)add_podman_settings(plan.runtime_files, archive);
    archive.add(std::string(kPodmanImages) + "/inventory.img", "");  // podman looks whether it is there
    archive.finish();
}

}  // namespace

std::string podman_configuration(const Json& known) {
    const Path file = database_of(known.at("StaticDir").get<std::string>());
    if (!std::filesystem::exists(file)) return "";
    const std::string id = known.at("Id");
    try {
        const BoltDatabase database = read_database(file);
        const std::map<std::string, std::string> container = database.values({"ctr", id});
        if (!container.contains("config")) return "";
        Json config = Json::parse(container.at("config"));
        for (const auto& [network, options] : database.values({"ctr", id, "networks"})) {
            Json& here = config["newNetworks"][network] = Json::parse(options);
            // podman adds the short id by itself.
            if (here.contains("aliases"))
                here["aliases"].erase(std::remove(here["aliases"].begin(), here["aliases"].end(), id.substr(0, 12)),
                                      here["aliases"].end());
        }
        return config.dump();
    } catch (const std::exception&) {
        return "";  // it can be restored all the same, where podman still has the container
    }
}

Json add_podman_settings(const Path& runtime_files, sys::Archive& archive) {
    const std::optional<std::string> config = sys::read_file_if_exists(runtime_files / kPodmanConfig);
    if (!config)
        throw Error(Kind::failed, "podman's settings of the container were not kept")
            .hint("stasis finds them in podman's BoltDB alone; with podman 5 there is no way to export for it");
    archive.add(kPodmanConfig, *config);
    archive.add(kPodmanSpec, sys::read_file(runtime_files / "config.json"));
    if (const auto network = sys::read_file_if_exists(runtime_files / kNetworkStatus))
        archive.add(kNetworkStatus, *network);
    return Json::parse(*config);
}

std::vector<std::string> obstacles_to_making(const RestorePlan& plan) {
    const std::optional<std::string> text = sys::read_file_if_exists(plan.runtime_files / kPodmanConfig);
    if (!text)
        return {
            "podman has no such container, and its configuration was not kept, so that it can't be made again "
            "(stasis finds it in podman's BoltDB alone)"};
    const Json config = Json::parse(*text);
    std::vector<std::string> obstacles;
    if (is_there(plan))
        return {"podman has it by another name: `podman rename " + plan.details.at("id").get<std::string>() + " " +
                plan.name + "` first"};
    if (const std::string driver = first_line(podman({"info", "--format", "{{.Store.GraphDriverName}}"}).out);
        driver != "overlay")
        obstacles.push_back("podman keeps its files by the driver '" + driver +
                            "' here, and stasis has it make containers again by overlay alone");
    add_image_obstacles(config, obstacles);
    add_folder_obstacle(config, "staticDir", "GraphRoot", obstacles);
    add_folder_obstacle(config, "conmonPidFile", "RunRoot", obstacles);
    if (const std::string conmon = plan.details.at("conmon"); !std::filesystem::exists(conmon))
        obstacles.push_back("there is no '" + conmon + "' here, which watched it");
    return obstacles;
}

void make_podman_container(const RestorePlan& plan) {
    if (is_there(plan)) throw Error(Kind::failed, "podman has the container by another name by now");
    const Path archive = plan.logs / (plan.log_name + ".tar");
    write_archive(plan, archive);
    const Path conmon = write_failing_conmon(plan);
    sys::Command make;
    make.args = {"podman",          "--conmon",         conmon,     "container",     "restore",
                 "--ignore-rootfs", "--ignore-volumes", "--import", archive.native()};
    const std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
    make.set_env = {"PATH=" + plan.criu.parent_path().string() + ":" + path};
    if (plan.lock_fd >= 0) make.descriptors.emplace_back(plan.lock_fd, kLockFd);
    const sys::RunResult made = sys::run(make);
    std::filesystem::remove(archive);
    if (!std::filesystem::remove(conmon)) return;  // it came to the point where conmon failed
    (void)podman({"rm", "--force", "--time", "0", plan.details.at("id")});
    throw Error(Kind::failed, "podman can't make the container '" + plan.name + "'").details({made.err});
}

}  // namespace stasis::runtime
