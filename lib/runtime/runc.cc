#include "lib/runtime/runc.h"

#include <algorithm>

#include "lib/runtime/oci.h"
#include "lib/runtime/private_mount.h"
#include "lib/runtime/runc_network.h"

namespace stasis::runtime {

bool RuncAdapter::is_podmans(const std::string& container) const {
    // They show by a label (podman 4.3.1).
    const std::string text = sys::read_file_if_exists(folder_of(container) / "state.json").value_or("");
    const Json json = Json::parse(text, nullptr, false);
    const Json labels = json.is_object() ? json.value("/config/labels"_json_pointer, Json::array()) : Json::array();
    return std::find(labels.begin(), labels.end(), "io.container.manager=libpod") != labels.end();
}

std::string RuncAdapter::mount_key(const proc::Mount& mount) const { return runc_mount_key(mount); }

std::vector<std::string> RuncAdapter::restore_command(const Restore& restore) const {
    const RestorePlan& plan = restore.plan;
    std::vector<std::string> words = restore_words(restore);
    if (plan.lazy) words.emplace_back("--lazy-pages");
    words.push_back(plan.name);
    if (!plan.details.at("own_network").get<bool>()) return command(words);

    const Path original = restore.bundle / "config.json";
    const Path config = plan.logs / (plan.log_name + ".config.json");
    sys::write_file_atomically(config, with_network_hook(read_oci_config(restore.bundle), plan).dump(), 0600);
    return with_mount(config, original, command(words));
}

}  // namespace stasis::runtime
