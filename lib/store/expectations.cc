#include "lib/store/expectations.h"

#include "lib/store/percent.h"

namespace stasis::store {

Json expectations_to_json(const Expectations& expected) {
    Json json;
    json["files"] = Json::array();
    for (const ExpectedFile& file : expected.files)
        json["files"].push_back(
            {encode_path(file.path), file.mode, file.size ? Json(*file.size) : Json(), file.mtime_ns, file.build_id});
    json["mounts"] = Json::array();
    for (const ExpectedMount& mount : expected.mounts)
        json["mounts"].push_back({{"source", encode_path(mount.source)},
                                  {"destination", encode_path(mount.destination)},
                                  {"folder", mount.folder}});
    json["mount_points"] = Json::array();
    for (const std::string& place : expected.mount_points) json["mount_points"].push_back(encode_path(place));
    json["pids"] = expected.pids;
    json["addresses"] = expected.addresses;
    json["listeners"] = Json::array();
    for (const ExpectedListener& listener : expected.listeners)
        json["listeners"].push_back({{"address", listener.address}, {"port", listener.port}});
    json["cgroups"] = {{"mode", expected.cgroups.mode}, {"controllers", expected.cgroups.controllers}};
    json["profiles"] = Json::array();
    for (const std::string& profile : expected.profiles) json["profiles"].push_back(encode_path(profile));
    return json;
}

Expectations expectations_from_json(const Json& json) {
    Expectations expected;
    for (const Json& file : json.at("files")) {
        ExpectedFile& added = expected.files.emplace_back();
        added.path = decode_path(file.at(0));
        added.mode = file.at(1);
        if (!file.at(2).is_null()) added.size = file.at(2).get<std::uint64_t>();
        added.mtime_ns = file.at(3);
        added.build_id = file.at(4);
    }
    for (const Json& mount : json.at("mounts"))
        expected.mounts.push_back(
            {decode_path(mount.at("source")), decode_path(mount.at("destination")), mount.at("folder")});
    for (const Json& place : json.value("mount_points", Json::array()))  // older ones have none
        expected.mount_points.push_back(decode_path(place));
    expected.pids = json.at("pids").get<std::vector<pid_t>>();
    expected.addresses = json.at("addresses").get<std::vector<std::string>>();
    for (const Json& listener : json.at("listeners"))
        expected.listeners.push_back({listener.at("address"), listener.at("port")});
    expected.cgroups.mode = json.at("cgroups").at("mode");
    expected.cgroups.controllers = json.at("cgroups").at("controllers").get<std::vector<std::string>>();
    for (const Json& profile : json.at("profiles")) expected.profiles.push_back(decode_path(profile));
    return expected;
}

}  // namespace stasis::store
