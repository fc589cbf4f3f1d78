#include "lib/ops/find.h"

#include "lib/base/error.h"

namespace stasis::ops {
namespace {

std::string names_of(const std::vector<store::Entry>& entries) {
    std::string names;
    for (const store::Entry& entry : entries) names += (names.empty() ? "" : ", ") + entry.checkpoint;
    return names;
}

std::string newest_stop_state(const Target& target, const std::vector<store::Entry>& entries) {
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry)
        if (entry->found.manifest && entry->found.manifest->kind == "stop") return entry->checkpoint;
    Error error(Kind::not_found, "'" + target.text() + "' has no stop state");
    if (!entries.empty()) error.hint("name one of its checkpoints: " + names_of(entries));
    throw error;
}

}  // namespace

Choice choose_checkpoint(const Context& context, const Target& target, const std::optional<std::string>& name,
                         const std::optional<Path>& directory) {
    if (directory) {
        const store::Location location = store::plain_location(*directory);
        return {location, store::read_manifest(location)};
    }
    const std::vector<store::Entry> entries = context.store.list(target.runtime(), target.container);
    const std::string chosen = name ? *name : newest_stop_state(target, entries);
    const store::Location location = context.store.location(target.runtime(), target.container, chosen);
    const store::State state = store::look_at(location).state;
    if (state == store::State::absent || state == store::State::writing || state == store::State::interrupted) {
        Error error(Kind::not_found, "'" + target.text() + "' has no checkpoint '" + chosen + "'" +
                                         (state == store::State::absent ? "" : ": it was never finished"));
        if (!entries.empty()) error.hint("there is: " + names_of(entries));
        throw error;
    }
    return {location, store::read_manifest(location)};
}

void verify_or_throw(Context& context, const Choice& choice) {
    const std::vector<std::string> problems = store::verify(choice.location, choice.manifest, context.interrupts);
    if (problems.empty()) return;
    constexpr std::size_t kMost = 20;
    std::vector<std::string> shown(problems.begin(),
                                   problems.begin() + static_cast<std::ptrdiff_t>(std::min(kMost, problems.size())));
    if (problems.size() > kMost) shown.push_back("and " + std::to_string(problems.size() - kMost) + " more");
    throw Error(Kind::damaged,
                "the checkpoint '" + choice.location.path().string() + "' is damaged; nothing was touched")
        .details(shown)
        .hint("restore another one (see `stasis list`)");
}

}  // namespace stasis::ops
