#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/base/progress.h"
#include "lib/runtime/runtime.h"
#include "lib/store/store.h"
#include "lib/sys/interrupts.h"

namespace stasis::ops {

using sys::Path;

/// What every use case works with.
struct Context {
    store::Store store;
    std::vector<std::unique_ptr<runtime::Adapter>> adapters;
    sys::Interrupts& interrupts;
    Progress& progress;
};

/// A container or process tree that a user named.
struct Target {
    const runtime::Adapter* adapter = nullptr;
    std::string container;

    std::string runtime() const { return adapter->name(); }
    std::string text() const { return runtime() + ":" + container; }
};

/// Finds what `text` means: `runtime:name`, or a bare name, which is looked for among what runs
/// and what the store holds and must be unique. Throws Kind::usage for a name that is not valid or
/// not unique (with the choices), Kind::not_found for one that nobody knows.
Target resolve(const Context& context, const std::string& text);

/// What a runtime lists and runs, or can't say of that it does not.
std::vector<Target> running_in(const runtime::Adapter& adapter);
/// The same of all runtimes.
std::vector<Target> all_running(const Context& context);

/// Throws Kind::not_found for a target that its runtime does not have, Kind::failed for one that can't be restored.
void require_restorable(const Target& target);

/// Throws Kind::precondition unless we are root.
void require_root();

}  // namespace stasis::ops
