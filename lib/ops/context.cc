#include "lib/ops/context.h"

#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/store/names.h"

namespace stasis::ops {
namespace {

const runtime::Adapter* find_adapter(const Context& context, const std::string& name) {
    for (const auto& adapter : context.adapters)
        if (adapter->name() == name) return adapter.get();
    return nullptr;
}

std::string known_runtimes(const Context& context) {
    std::string text;
    for (const auto& adapter : context.adapters) text += (text.empty() ? "" : ", ") + adapter->name();
    return text;
}

}  // namespace

Target resolve(const Context& context, const std::string& text) {
    if (const std::size_t colon = text.find(':'); colon != std::string::npos) {
        const Target target{find_adapter(context, text.substr(0, colon)), text.substr(colon + 1)};
        if (target.adapter == nullptr)
            throw Error(Kind::usage, "there is no runtime '" + text.substr(0, colon) + "'")
                .hint("stasis knows: " + known_runtimes(context));
        store::check_container_name(target.container);
        return {target.adapter, target.adapter->name_of(target.container)};
    }
    store::check_container_name(text);
    std::vector<Target> candidates;
    const std::vector<std::string> stored = context.store.runtimes_of(text);
    for (const auto& adapter : context.adapters)
        if (adapter->knows(text) || std::find(stored.begin(), stored.end(), adapter->name()) != stored.end())
            candidates.push_back({adapter.get(), adapter->name_of(text)});
    if (candidates.empty())
        throw Error(Kind::not_found, "no runtime knows '" + text + "', and the store holds nothing of that name")
            .hint("`stasis list` shows what is stored; runtimes: " + known_runtimes(context));
    if (candidates.size() > 1) {
        std::string choices;
        for (const Target& candidate : candidates) choices += (choices.empty() ? "" : " or ") + candidate.text();
        throw Error(Kind::usage, "'" + text + "' could mean " + choices).hint("name it with its runtime");
    }
    return candidates.front();
}

std::vector<Target> running_in(const runtime::Adapter& adapter) {
    const auto may_run = [&](const std::string& container) {
        try {
            const runtime::Status status = adapter.status(container);
            return status == runtime::Status::running || status == runtime::Status::paused;
        } catch (const Error&) {
            return true;
        }
    };
    std::vector<Target> found;
    for (const std::string& container : adapter.list().value_or(std::vector<std::string>()))
        if (may_run(container)) found.push_back({&adapter, container});
    return found;
}

std::vector<Target> all_running(const Context& context) {
    std::vector<Target> found;
    for (const auto& adapter : context.adapters) {
        const std::vector<Target> more = running_in(*adapter);
        found.insert(found.end(), more.begin(), more.end());
    }
    return found;
}

void require_restorable(const Target& target) {
    target.adapter->require_known(target.container);
    if (const std::optional<Error> refusal = target.adapter->no_restore(target.container)) throw *refusal;
}

void require_root() {
    if (::geteuid() != 0)
        throw Error(Kind::precondition, "stasis needs root: CRIU reads and recreates other users' processes")
            .hint("run it with sudo");
}

}  // namespace stasis::ops
