#include "lib/runtime/crun.h"

#include "lib/runtime/crun_restore.h"
#include "lib/runtime/private_mount.h"

namespace stasis::runtime {
namespace {

/// crun refuses to work where a controller is in the second hierarchy of a hybrid host (1.21, libcrun_cgroup_enter());
/// it looks for them in this file.
const Path kUnifiedControllers = "/sys/fs/cgroup/unified/cgroup.controllers";

bool has_mixed_controllers() {
    const std::string controllers = sys::read_file_if_exists(kUnifiedControllers).value_or("");
    return !controllers.empty();
}

}  // namespace

std::string CrunAdapter::restore_obstacle() const { return crun_obstacle("crun"); }

bool CrunAdapter::is_podmans(const std::string& container) const {
    const std::string text = sys::read_file_if_exists(folder_of(container) / "config.json").value_or("");
    const Json config = Json::parse(text, nullptr, false);
    return config.is_object() && config.value("/annotations/io.container.manager"_json_pointer, "") == "libpod";
}

std::string CrunAdapter::mount_key(const proc::Mount& mount) const { return crun_mount_key(mount); }

void CrunAdapter::complete(Description& description) const {
    complete_for_crun(description, folder_of(description.name));
}

std::string CrunAdapter::criu_configuration(const RestorePlan& plan) const {
    return crun_configuration(plan.details) + (plan.lazy ? "lazy-pages\n" : "");
}

std::vector<std::string> CrunAdapter::restore_command(const Restore& restore) const {
    std::vector<std::string> words = restore_words(restore);
    words.push_back(restore.plan.name);
    words = command(words);
    return has_mixed_controllers() ? with_mount("/dev/null", kUnifiedControllers, words) : words;
}

void CrunAdapter::clear_remains(const Json& details) const { clear_crun_remains(details); }

}  // namespace stasis::runtime
