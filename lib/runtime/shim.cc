#include "lib/runtime/shim.h"

#include <sstream>

#include "lib/base/error.h"
#include "lib/proc/freezer.h"
#include "lib/runtime/oci.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

/// containerd (1.x and 2.x) has a folder for each task that lives, below its namespace's.
const Path kTasks = "/run/containerd/io.containerd.runtime.v2.task";
constexpr const char* kNamespaceOfDocker = "moby";
const Path kContainersOfDocker = "/var/lib/docker/containers";

bool is_folder(const Path& path) {
    std::error_code missing;
    return std::filesystem::is_directory(path, missing);
}

std::optional<proc::Stat> init_of(const Path& task) {
    std::istringstream text(sys::read_file_if_exists(task / "init.pid").value_or(""));
    pid_t pid = 0;
    return text >> pid ? proc::read_stat(pid) : std::nullopt;
}

Json config_of_docker(const std::string& id) {
    if (!std::filesystem::is_directory(kContainersOfDocker / id)) return Json::object();
    const std::string text = sys::read_file_if_exists(kContainersOfDocker / id / "config.v2.json").value_or("");
    const Json config = Json::parse(text, nullptr, false);
    return config.is_object() ? config : Json::object();
}

/// What docker itself takes for a container: its name, or the beginning of its id alone. Empty where there is none.
std::string id_in_docker(const std::string& container) {
    constexpr std::size_t kLeastOfId = 4;
    std::vector<std::string> by_id;
    for (const std::string& id : sys::list_directory(kContainersOfDocker)) {
        if (config_of_docker(id).value("Name", "") == "/" + container) return id;
        if (container.size() >= kLeastOfId && id.starts_with(container)) by_id.push_back(id);
    }
    return by_id.size() == 1 ? by_id.front() : "";
}

}  // namespace

std::string ShimAdapter::version() const { return sys::version_of(program_); }

Status ShimAdapter::status(const std::string& container) const {
    const std::vector<Path> found = tasks(container);
    if (found.empty()) return exists(container) ? Status::stopped : Status::absent;
    const std::optional<proc::Stat> init = init_of(found.front());
    if (!init) return Status::stopped;
    return proc::is_frozen(freezer_of(init->id)) ? Status::paused : Status::running;
}

Description ShimAdapter::describe(const std::string& container) const {
    require_known(container);
    const std::vector<Path> found = tasks(container);
    if (found.size() > 1)
        throw Error(Kind::failed, "two namespaces of " + name_ + " have a container '" + container + "': '" +
                                      found[0].string() + "', '" + found[1].string() + "'");
    const std::optional<proc::Stat> init = found.empty() ? std::nullopt : init_of(found.front());
    if (!init) throw Error(Kind::failed, "the container '" + container + "' of " + name_ + " does not run");

    const Path& task = found.front();
    const Json config = read_oci_config(task);
    const Path rootfs = task / config.value("/root/path"_json_pointer, "rootfs");
    Description description =
        describe_oci({task, rootfs, init->id, proc::is_frozen(freezer_of(init->id))}, config, runc_mount_key);
    description.runtime = name_;
    description.name = container;
    return description;
}

std::vector<Evidence> ShimAdapter::evidence(const std::string& container) const {
    require_known(container);
    const std::vector<Path> found = tasks(container);
    if (found.empty()) return {};
    const auto config = [file = found.front() / "config.json"] { return sys::read_file(file); };
    return {{"config.json", config, EvidenceFormat::json}};
}

std::optional<Error> ShimAdapter::no_restore(const std::string& container) const {
    const std::string target = name_ + ":" + container;
    return Error(Kind::failed, "'" + target + "' can't be restored: " + name_ + " would not know of it")
        .hint("`stasis snapshot " + target + " --dir DIR` dumps it for inspection, and it runs on; " + name_ +
              " itself has " + alternative_ + "; in podman or runc stasis can restore it");
}

std::vector<std::string> ShimAdapter::obstacles(const RestorePlan& plan) const {
    return {no_restore(plan.name)->message()};
}

proc::Identity ShimAdapter::restore(const RestorePlan& plan, sys::Interrupts&) const { throw *no_restore(plan.name); }

void ShimAdapter::kill(const std::string& container) const { throw *no_restore(container); }

std::vector<Path> ContainerdAdapter::tasks(const std::string& container) const {
    std::vector<Path> found;
    for (const std::string& space : sys::list_directory(kTasks))
        if (space != kNamespaceOfDocker && is_folder(kTasks / space / container))
            found.push_back(kTasks / space / container);
    return found;
}

std::string DockerAdapter::name_of(const std::string& container) const {
    const std::string name = config_of_docker(id_in_docker(container)).value("Name", "");
    return name.size() > 1 ? name.substr(1) : container;
}

std::vector<Path> DockerAdapter::tasks(const std::string& container) const {
    const std::string id = id_in_docker(container);
    if (id.empty()) return {};
    const Path task = kTasks / kNamespaceOfDocker / id;
    return is_folder(task) ? std::vector<Path>{task} : std::vector<Path>{};
}

bool DockerAdapter::exists(const std::string& container) const { return !id_in_docker(container).empty(); }

}  // namespace stasis::runtime
