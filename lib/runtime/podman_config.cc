#include "lib/runtime/podman_config.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/runtime/bolt.h"
#include "lib/runtime/podman_archive.h"
#include "lib/runtime/podman_conmon.h"
#include "lib/runtime/podman_program.h"
#include "lib/sys/lock.h"

namespace stasis::runtime {
namespace {

/// Each container has userdata/ in a folder of its own in overlay-containers/, which lies beside libpod/.
Path database_of(const Path& static_folder) {
    return static_folder.parent_path().parent_path().parent_path() / "libpod" / "bolt_state.db";
}

/// podman holds the lock for as long as it looks or writes.
BoltDatabase read_database(const Path& file) {
    const sys::UniqueFd lock = sys::wait_for_lock(file);
    return BoltDatabase(sys::read_file(file));
}

/// By its id, whatever its name is.
bool is_there(const RestorePlan& plan) {
    return sys::run(podman({"container", "exists", plan.details.at("id")})).status.ok();
}

/// The image below the container: the same content, by the same name.
void add_image_obstacles(const Json& config, std::vector<std::string>& obstacles) {
    const std::string id = config.value("rootfsImageID", "");
    const std::string name = config.value("rootfsImageName", "");
    if (id.empty()) {
        obstacles.emplace_back("it has no image but a folder of its own (--rootfs)");
        return;
    }
    const sys::RunResult found = sys::run(podman({"image", "inspect", "--format", "{{.Id}}", name}));
    if (!found.status.ok())
        obstacles.push_back("podman has no image '" + name + "' here: bring it with `podman save` and `podman load`");
    else if (sys::first_line(found.out) != id)
        obstacles.push_back("podman has another image '" + name + "' here (" + found.out.substr(0, 12) + ", it was " +
                            id.substr(0, 12) + ")");
}

/// Its files lie in the same place, by the same driver.
void add_storage_obstacles(const Json& config, std::vector<std::string>& obstacles) {
    const Json here = podman_info().at("store");
    if (const std::string driver = here.at("graphDriverName"); driver != "overlay")
        obstacles.push_back("podman keeps its files by the driver '" + driver +
                            "' here, and stasis has it make containers again by overlay alone");
    for (const auto& [file, setting] : {std::pair("staticDir", "graphRoot"), std::pair("conmonPidFile", "runRoot")}) {
        const std::string folder = here.at(setting);
        if (const std::string path = config.at(file); !path.starts_with(folder + "/"))
            obstacles.push_back("podman's folder '" + folder + "' is another one than '" + path +
                                "' was in (see storage.conf)");
    }
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
    add_image_obstacles(config, obstacles);
    add_storage_obstacles(config, obstacles);
    if (const std::string conmon = plan.details.at("conmon"); !std::filesystem::exists(conmon))
        obstacles.push_back("there is no '" + conmon + "' here, which watched it");
    return obstacles;
}

void make_podman_container(const RestorePlan& plan) {
    if (is_there(plan)) throw Error(Kind::failed, "podman has the container by another name by now");
    const Path archive = plan.logs / (plan.log_name + ".tar");
    write_archive(plan, archive);
    const Path conmon = write_failing_conmon(plan);
    sys::Command make = podman({"--conmon", conmon, "container", "restore", "--ignore-rootfs", "--ignore-volumes",
                                "--import", archive.native()});
    make.set_env = {"PATH=" + plan.search_path()};
    if (plan.lock_fd >= 0) make.descriptors.emplace_back(plan.lock_fd, kLockFd);
    const sys::RunResult made = sys::run(make);
    std::filesystem::remove(archive);
    if (!std::filesystem::remove(conmon)) return;  // it came to the point where conmon failed
    (void)sys::run(podman({"rm", "--force", "--time", "0", plan.details.at("id")}));
    throw Error(Kind::failed, "podman can't make the container '" + plan.name + "'").details({made.err});
}

}  // namespace stasis::runtime
