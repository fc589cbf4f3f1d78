#include "lib/store/manifest.h"

#include "lib/base/error.h"
#include "lib/store/expectations.h"
#include "lib/store/percent.h"
#include "lib/sys/checksum.h"

namespace stasis::store {
namespace {

/// The checksum of the manifest stands at its end; while it is computed this stands in its place.
const std::string kNoChecksum(32, '0');
const std::string kBeforeChecksum = "\n  \"checksum\": \"";
const std::string kAfterChecksum = "\"\n}\n";

Json options_to_json(const OptionList& options) {
    Json list = Json::array();
    for (const Option& option : options)
        list.push_back({{"key", option.key}, {"value", encode_path(option.value)}, {"reason", option.reason}});
    return list;
}

Json files_to_json(const FileRecords& files) {
    Json list = Json::array();
    for (const auto& [path, record] : files)
        list.push_back({encode_path(path), record.is_link ? "l" : "f", record.size, record.checksum});
    return list;
}

Json rootfs_to_json(const Rootfs& rootfs) {
    Json written = Json::array();
    for (const std::string& path : rootfs.written) written.push_back(encode_path(path));
    return {{"backend", rootfs.backend},
            {"path", encode_path(rootfs.path)},
            {"source", encode_path(rootfs.source)},
            {"mount_options", encode_path(rootfs.mount_options)},
            {"linked_to", rootfs.linked_to},
            {"written", written}};
}

Rootfs rootfs_from_json(const Json& json) {
    Rootfs rootfs{json.at("backend"), decode_path(json.at("path")), decode_path(json.at("source")),
                  decode_path(json.at("mount_options")), json.at("linked_to")};
    for (const Json& path : json.value("written", Json::array())) rootfs.written.insert(decode_path(path));
    return rootfs;
}

Json to_json(const Manifest& m) {
    Json json;
    json["format"] = m.format;
    json["stasis"] = m.stasis_version;
    json["runtime"] = m.runtime;
    json["runtime_version"] = m.runtime_version;
    json["container"] = m.container;
    json["checkpoint"] = m.checkpoint;
    json["kind"] = m.kind;
    json["created"] = m.created;
    json["host"] = {{"name", m.host_name},
                    {"kernel", m.kernel},
                    {"architecture", m.architecture},
                    {"boot_id", m.boot_id},
                    {"cpu_features", m.cpu_features}};
    json["criu"] = {{"version", m.criu_version}, {"options", options_to_json(m.criu_options)}};
    json["parent"] = m.parent;
    if (m.lacks_memory) json["lacks_memory"] = true;
    json["runtime_details"] = m.runtime_details;
    json["lasting_network"] = encode_path(m.lasting_network);
    if (!m.network.empty()) json["network"] = network_to_json(m.network);
    json["restored_with_all"] = m.restored_with_all;
    json["order"] = m.order;
    json["tasks"] = Json::array();
    for (const Task& task : m.tasks)
        json["tasks"].push_back({{"pid", task.pid}, {"command", encode_path(task.command)}});
    json["expected"] = expectations_to_json(m.expected);
    json["rootfs"] = rootfs_to_json(m.rootfs);
    json["volumes"] = Json::array();
    for (const Volume& volume : m.volumes)
        json["volumes"].push_back({{"source", encode_path(volume.source)},
                                   {"destination", encode_path(volume.destination)},
                                   {"folder", volume.folder}});
    json["freeze_us"] = m.freeze_us;
    json["image_bytes"] = m.image_bytes;
    json["rootfs_bytes"] = m.rootfs_bytes;
    json["files"] = files_to_json(m.files);
    return json;
}

Manifest from_json(const Json& json) {
    Manifest m;
    m.format = json.at("format");
    m.stasis_version = json.at("stasis");
    m.runtime = json.at("runtime");
    m.runtime_version = json.value("runtime_version", "");
    m.container = json.at("container");
    m.checkpoint = json.at("checkpoint");
    m.kind = json.at("kind");
    m.created = json.at("created");
    const Json& host = json.at("host");
    m.host_name = host.at("name");
    m.kernel = host.at("kernel");
    m.architecture = host.at("architecture");
    m.boot_id = host.at("boot_id");
    m.cpu_features = host.value("cpu_features", m.cpu_features);
    m.criu_version = json.at("criu").at("version");
    for (const Json& option : json.at("criu").at("options"))
        m.criu_options.push_back({option.at("key"), decode_path(option.at("value")), option.at("reason")});
    m.parent = json.value("parent", "");
    m.lacks_memory = json.value("lacks_memory", false);
    m.runtime_details = json.at("runtime_details");
    m.lasting_network = decode_path(json.at("lasting_network"));
    if (json.contains("network")) m.network = network_from_json(json.at("network"));
    for (const Json& task : json.at("tasks")) m.tasks.push_back({task.at("pid"), decode_path(task.at("command"))});
    m.restored_with_all = json.value("restored_with_all", false);
    m.order = json.value("order", "");
    // Checkpoints of format 1 that were made before there were expectations have none.
    if (json.contains("expected")) m.expected = expectations_from_json(json.at("expected"));
    m.rootfs = rootfs_from_json(json.at("rootfs"));
    for (const Json& volume : json.at("volumes"))
        m.volumes.push_back(
            {decode_path(volume.at("source")), decode_path(volume.at("destination")), volume.at("folder")});
    m.freeze_us = json.at("freeze_us");
    m.image_bytes = json.at("image_bytes");
    m.rootfs_bytes = json.at("rootfs_bytes");
    for (const Json& file : json.at("files"))
        m.files[decode_path(file.at(0))] = {file.at(1) == "l", file.at(2), file.at(3)};
    return m;
}

[[noreturn]] void damaged(const std::string& where, const std::string& why) {
    throw Error(Kind::damaged, "the manifest of '" + where + "' is damaged: " + why)
        .hint("restore from another checkpoint (see `stasis list`); this one can only be deleted");
}

/// Does the checksum at the end fit all that stands before it?
bool checksum_fits(const std::string& text) {
    const std::size_t tail = kBeforeChecksum.size() + kNoChecksum.size() + kAfterChecksum.size();
    if (text.size() < tail || !text.ends_with(kAfterChecksum)) return false;
    const std::size_t at = text.size() - kAfterChecksum.size() - kNoChecksum.size();
    std::string blank = text;
    blank.replace(at, kNoChecksum.size(), kNoChecksum);
    return text.compare(at - kBeforeChecksum.size(), kBeforeChecksum.size(), kBeforeChecksum) == 0 &&
           text.compare(at, kNoChecksum.size(), sys::checksum(blank)) == 0;
}

}  // namespace

std::string to_text(const Manifest& manifest) {
    Json json = to_json(manifest);
    json["checksum"] = kNoChecksum;
    std::string text = json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
    const std::size_t at = text.size() - kAfterChecksum.size() - kNoChecksum.size();
    text.replace(at, kNoChecksum.size(), sys::checksum(text));
    return text;
}

Manifest parse_manifest(const std::string& text, const std::string& where) {
    try {
        const Json json = Json::parse(text);
        // The format is read before the checksum: another stasis may compute that differently.
        const int format = json.at("format");
        if (format > kFormat) {
            NewerFormat error(Kind::damaged, "'" + where + "' was written by a newer stasis (format " +
                                                 std::to_string(format) + ", this one reads up to " +
                                                 std::to_string(kFormat) + ")");
            error.hint("update stasis on this host");
            throw error;
        }
        if (format < kOldestFormat)
            throw Error(Kind::damaged,
                        "'" + where + "' has format " + std::to_string(format) + ", older than any that is read");
        if (!checksum_fits(text)) damaged(where, "its checksum does not fit");
        Manifest manifest = from_json(json);
        for (const Volume& volume : manifest.volumes)  // numbered; a path would lead out of the checkpoint
            if (volume.folder.empty() || volume.folder.find_first_not_of("0123456789") != std::string::npos)
                damaged(where, "a volume's folder is called '" + volume.folder + "'");
        return manifest;
    } catch (const nlohmann::json::exception&) {
        damaged(where, "it is not whole");
    }
}

}  // namespace stasis::store
