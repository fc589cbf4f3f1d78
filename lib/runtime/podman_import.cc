#include "lib/runtime/podman_import.h"

#include <sstream>

#include "lib/base/error.h"
#include "lib/runtime/oci.h"
#include "lib/runtime/podman_archive.h"
#include "lib/runtime/podman_config.h"
#include "lib/runtime/podman_program.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

/// A file of the archive, which is one itself: what lies behind a link is the host's.
std::optional<Path> find_file(const Path& folder, const Path& name) {
    const Path path = folder / name;
    if (!std::filesystem::exists(std::filesystem::symlink_status(path))) return std::nullopt;
    if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(path)) ||
        std::filesystem::canonical(path) != std::filesystem::canonical(folder) / name)
        throw Error(Kind::damaged, "'" + name.string() + "' of podman's archive is no file");
    return path;
}

std::string read_text(const Path& folder, const Path& name) {
    const std::optional<Path> file = find_file(folder, name);
    if (!file) throw Error(Kind::damaged, "podman's archive has no '" + name.string() + "'");
    return sys::read_file(*file);
}

/// The id becomes a word of command lines, and part of paths.
std::string id_of(const Json& config) {
    constexpr std::size_t kDigits = 64;
    const std::string id = config.at("id");
    if (id.size() != kDigits || id.find_first_not_of("0123456789abcdef") != std::string::npos)
        throw Error(Kind::damaged, "podman's archive has a container whose id is '" + id + "'");
    return id;
}

/// What this host's podman says of itself.
struct Here {
    Path storage;
    Path volumes;
    std::string conmon;
};

Here look_at_podman() {
    const Json info = podman_info();
    const Json& store = info.at("store");
    if (const std::string driver = store.at("graphDriverName"); driver != "overlay")
        throw Error(Kind::failed, "podman keeps its files by the driver '" + driver +
                                      "' here, and stasis imports its archives by overlay alone");
    return {store.at("graphRoot").get<std::string>(), store.at("volumePath").get<std::string>(),
            info.at("host").at("conmon").at("path")};
}

/// Where podman keeps a folder of the container's, which the archive names by its path: a restore writes there.
void require_place(const Path& path, const Path& there) {
    if (path != there)
        throw Error(Kind::failed,
                    "it lay in '" + path.string() + "', and podman keeps such in '" + there.string() + "' here")
            .hint("see graphroot in storage.conf");
}

void require_restorable(const Path& images, const Json& config) {
    const std::string runtime = config.value("runtime", "");
    if (const Path program = Path(runtime).filename(); program != "runc" && program != "crun")
        throw Error(Kind::failed,
                    "it ran in '" + runtime + "', and stasis restores podman's containers by runc and crun alone")
            .hint("`podman container restore --import` takes it");
    if (!config.value("pod", "").empty())
        throw Error(Kind::failed, "it belonged to a pod: it shared namespaces with others")
            .hint("`podman container restore --import --pod` takes it");
    for (const auto& map : {"/idMappingsOptions/UIDMap"_json_pointer, "/idMappingsOptions/GIDMap"_json_pointer})
        if (!config.value(map, Json()).empty())
            throw Error(Kind::failed,
                        "it ran in a user namespace, and podman's archives do not say whose its folders are")
                .hint("`podman container restore --import` takes it");
    if (!std::filesystem::is_directory(std::filesystem::symlink_status(images)))
        throw Error(Kind::damaged, "podman's archive has no images of CRIU");
    if (std::filesystem::is_symlink(std::filesystem::symlink_status(images / "parent")))
        throw Error(Kind::failed, "the rest of its memory is in another archive (--with-previous)")
            .hint("export it in one: `podman container checkpoint --export` without --with-previous");
    for (const char* name : {"inventory.img", "pstree.img", "descriptors.json"})
        if (!find_file(images, name)) throw Error(Kind::damaged, "podman's archive has no '" + std::string(name) + "'");
}

/// By the short name that podman's storage has for a layer (containers-storage, overlay/<layer>/link), for the options
/// of a mount.
Path by_short_name(const Path& folder) {
    const auto link = sys::read_file_if_exists(folder.parent_path() / "link");
    return link ? folder.parent_path().parent_path() / "l" / *link : folder;
}

std::vector<Path> layers_of_image(const std::string& id, const std::string& name) {
    const sys::RunResult found = sys::run(podman({"image", "inspect", "--", id.empty() ? name : id}));
    if (!found.status.ok())
        throw Error(Kind::failed, "podman has no image '" + name + "' (" + id.substr(0, 12) +
                                      ") here, to which what the container changed belongs")
            .hint("bring it with `podman save` and `podman load`");
    const Json image = Json::parse(found.out).at(0);
    const std::string upper = image.value("/GraphDriver/Data/UpperDir"_json_pointer, "");
    if (upper.empty()) throw Error(Kind::failed, "podman does not say where the layers of '" + name + "' lie");
    std::vector<Path> layers{by_short_name(upper)};
    std::istringstream lower(image.value("/GraphDriver/Data/LowerDir"_json_pointer, ""));
    for (std::string folder; std::getline(lower, folder, ':');) layers.push_back(by_short_name(folder));
    return layers;
}

/// Nothing where podman left the files out (--ignore-rootfs).
std::optional<PodmanCheckpoint::Layer> read_layer(const Path& folder, const Json& config, const Path& root) {
    const std::optional<Path> added = find_file(folder, kPodmanAdded);
    const std::optional<Path> removed = find_file(folder, kPodmanRemoved);
    if (!added && !removed) return std::nullopt;
    PodmanCheckpoint::Layer layer{
        root,
        root.parent_path() / "diff",
        layers_of_image(config.value("rootfsImageID", ""), config.value("rootfsImageName", "")),
        added,
        {}};
    if (removed)
        for (const Json& name : Json::parse(sys::read_file(*removed)))
            layer.removed.push_back(Path(name.get<std::string>()).relative_path().lexically_normal());
    return layer;
}

std::vector<ArchiveParts::Volume> read_volumes(const Path& folder, const Json& config, const Path& own,
                                               const Path& volumes_here) {
    std::vector<ArchiveParts::Volume> volumes;
    if (const std::optional<Path> memory = find_file(folder, kPodmanSharedMemory))
        volumes.push_back({own / "shm", "/dev/shm", *memory});
    for (const Json& named : config.value("namedVolumes", Json::array())) {
        const std::string name = named.at("volumeName");
        if (name.find('/') != std::string::npos || name.starts_with("."))
            throw Error(Kind::damaged, "podman's archive has a volume called '" + name + "'");
        if (const std::optional<Path> kept = find_file(folder, volume_in_archive(name)))
            volumes.push_back({volumes_here / name / "_data", named.at("dest"), *kept});
    }
    return volumes;
}

PodmanCheckpoint read_archive(const Path& folder, const Here& here) {
    const std::string config_text = read_text(folder, kPodmanConfig);
    const std::string spec_text = read_text(folder, kPodmanSpec);
    const Json config = Json::parse(config_text);
    const Json spec = Json::parse(spec_text);
    PodmanCheckpoint found;
    found.name = config.at("name");
    found.images = folder / kPodmanImages;
    require_restorable(found.images, config);
    const std::string id = id_of(config);
    const Path own = here.storage / "overlay-containers" / id / "userdata";
    require_place(config.at("staticDir").get<std::string>(), own);
    const Path root = spec.at("root").at("path").get<std::string>();
    require_place(root, here.storage / "overlay" / root.parent_path().filename() / "merged");

    found.runtime_files = {{kPodmanConfig, config_text}, {"config.json", spec_text}};
    if (find_file(folder, kPodmanNetwork))
        found.runtime_files.push_back({kPodmanNetwork, read_text(folder, kPodmanNetwork)});
    // podman gives a container pipes, or a terminal of its own, and runc the container's /dev/null. It does not say in
    // which cgroup it was.
    found.details = {{"bundle", own.string()},
                     {"freezer", ""},
                     {"paused", false},
                     {"stdio", Json::array()},
                     {"console", spec.value("/process/terminal"_json_pointer, false)},
                     {"network_path", namespace_path(spec, "network")},
                     {"own_network", lasting_network(spec).empty()},
                     {"runtime", Path(config.at("runtime").get<std::string>()).filename().string()},
                     {"host_mounts", Json::object()},
                     {"cgroup_path", ""},
                     {"id", id},
                     {"conmon", here.conmon}};
    found.options = {{"tcp-established", "", "podman's checkpoint may have connections"},
                     {"file-locks", "", "podman's checkpoint may have file locks"}};
    found.order = order_of(spec, config.value("labels", Json()));
    if (namespace_path(spec, "network").empty()) found.lasting_network = lasting_network(spec);
    found.layer = read_layer(folder, config, root);
    found.volumes = read_volumes(folder, config, own, here.volumes);
    return found;
}

}  // namespace

std::string name_in_podman_config(const std::string& config) {
    try {
        return Json::parse(config).at("name");
    } catch (const nlohmann::json::exception&) {
        throw Error(Kind::damaged, "podman's archive does not say the container's name");
    }
}

const std::vector<std::string>& podman_archive_names() {
    static const std::vector<std::string> names{
        kPodmanImages,       kPodmanConfig, kPodmanSpec,  kPodmanNetwork, kPodmanAdded, kPodmanRemoved,
        kPodmanSharedMemory, "volumes",     "stats-dump", "artifacts",    "ctr.log"};
    return names;
}

PodmanCheckpoint read_podman_archive(const Path& folder) {
    const Here here = look_at_podman();
    try {
        return read_archive(folder, here);
    } catch (const nlohmann::json::exception& error) {
        throw Error(Kind::damaged, "what podman's archive says of the container can't be read").details({error.what()});
    } catch (const std::filesystem::filesystem_error& error) {
        throw Error(Kind::damaged, "a file of podman's archive can't be read").details({error.what()});
    }
}

}  // namespace stasis::runtime
