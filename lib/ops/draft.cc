#include "lib/ops/draft.h"

#include "lib/base/time.h"
#include "lib/base/version.h"
#include "lib/ops/host.h"

namespace stasis::ops {

store::Manifest draft_manifest(const Target& target, const Examination& found, const std::string& runtime_version) {
    const Host host = this_host();
    store::Manifest draft;
    draft.stasis_version = kVersion;
    draft.runtime = target.runtime();
    draft.runtime_version = runtime_version;
    draft.container = target.container;
    draft.created = utc_now();
    draft.host_name = host.name;
    draft.kernel = host.kernel;
    draft.architecture = host.architecture;
    draft.boot_id = host.boot_id;
    draft.cpu_features = host.cpu_features;
    draft.criu_version = found.criu->version.text();
    draft.criu_options = found.options;
    draft.runtime_details = found.described.details;
    draft.lasting_network = found.described.lasting_network;
    draft.order = found.described.order;
    draft.tasks = tasks_of(found.seen.tasks);
    return draft;
}

std::vector<store::Task> tasks_of(const std::vector<proc::Stat>& tasks) {
    std::vector<store::Task> result;
    for (const proc::Stat& task : tasks) result.push_back({task.id.pid, task.command});
    return result;
}

}  // namespace stasis::ops
