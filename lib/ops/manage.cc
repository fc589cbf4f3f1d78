#include "lib/ops/manage.h"

#include <fcntl.h>

#include "lib/base/error.h"
#include "lib/ops/network_lock.h"

namespace stasis::ops {
namespace {

/// The lock of a stop state that will never be restored would close its network for good.
void open_network_of(const store::Location& location) {
    const std::optional<store::Manifest> manifest = store::look_at(location).manifest;
    if (!manifest || manifest->kind != "stop" || manifest->lasting_network.empty()) return;
    const sys::UniqueFd network(::open(manifest->lasting_network.c_str(), O_RDONLY | O_CLOEXEC));
    if (network) unlock_network(network.get(), store::Folders{location.path()}.logs() / "dump.log");
}

}  // namespace

std::vector<store::Entry> list(Context& context, const std::string& target) {
    require_root();
    if (target.empty()) return context.store.list("", "");
    const Target found = resolve(context, target);
    return context.store.list(found.runtime(), found.container);
}

std::vector<Moved> moves(Context& context, const std::string& target) {
    require_root();
    std::optional<Target> only;
    if (!target.empty()) only = resolve(context, target);
    std::vector<Moved> found;
    for (const auto& [runtime, container] :
         context.store.containers(only ? only->runtime() : "", only ? only->container : ""))
        if (const auto move = store::read_move(context.store, runtime, container))
            found.push_back({runtime + ":" + container, *move});
    return found;
}

std::vector<Known> containers(Context& context) {
    require_root();
    std::vector<Known> known;
    for (const auto& adapter : context.adapters)
        for (const std::string& name : adapter->list().value_or(std::vector<std::string>())) {
            Known& one = known.emplace_back(Known{adapter->name() + ":" + name, {}});
            try {
                one.status = adapter->status(name);
            } catch (const Error&) {
                // What the runtime can't say is shown as such.
            }
        }
    return known;
}

Choice info(Context& context, const std::string& target, const std::optional<std::string>& name,
            const std::optional<Path>& directory) {
    require_root();
    return choose_checkpoint(context, resolve(context, target), name, directory);
}

std::vector<Verdict> verify(Context& context, const std::string& target, const std::optional<std::string>& name) {
    std::vector<Verdict> verdicts;
    bool found = false;
    for (const store::Entry& entry : list(context, target)) {
        if (name && entry.checkpoint != *name) continue;
        found = true;
        Verdict verdict{entry.runtime + ":" + entry.container, entry.checkpoint, {}};
        if (entry.found.manifest)
            verdict.problems = store::verify(context.store.location(entry.runtime, entry.container, entry.checkpoint),
                                             *entry.found.manifest, context.interrupts);
        else
            verdict.problems = {"it is " + to_string(entry.found.state)};
        verdicts.push_back(std::move(verdict));
    }
    if (!found && !target.empty())
        throw Error(Kind::not_found, "'" + target + "' has no checkpoint" + (name ? " '" + *name + "'" : ""));
    return verdicts;
}

void remove_locked(const store::Location& location) {
    open_network_of(location);
    store::remove(location);
}

void remove(Context& context, const std::string& target, const std::string& name) {
    require_root();
    const Target found = resolve(context, target);
    const store::Location location = context.store.location(found.runtime(), found.container, name);
    const store::ContainerLock lock = context.store.lock(found.runtime(), found.container);
    if (store::look_at(location).state == store::State::absent)
        throw Error(Kind::not_found, "'" + found.text() + "' has no checkpoint '" + name + "'")
            .hint("`stasis list " + found.text() + "` shows what there is");
    remove_locked(location);
    context.store.clear_failures(found.runtime(), found.container);
}

}  // namespace stasis::ops
