#pragma once

#include <string>
#include <vector>

#include "lib/ops/all.h"
#include "lib/ops/order.h"

namespace stasis::ops {

/// One target of many, and when its turn is.
struct Planned {
    TargetResult result;
    Rank rank;
    std::vector<std::string> arguments;  ///< of its run, after AllRequest::command
};

/// The adapters that a request speaks of. Throws Kind::usage for a runtime that nobody knows.
std::vector<const runtime::Adapter*> chosen_adapters(const Context& context, const AllRequest& request);

bool is_excluded(const AllRequest& request, const std::string& runtime, const std::string& container);

/// Throws Kind::not_found where `AllRequest::only` names one that is not among those that were found.
void require_all_found(const AllRequest& request, const std::vector<Planned>& found);

/// Runs all that are untouched so far, in the order in which they stand: those with the same rank side by side, and
/// the next ones when these have ended. `doing`: "stopping", for the progress.
std::vector<TargetResult> run_planned(Context& context, const AllRequest& request, std::vector<Planned> planned,
                                      const std::string& doing);

}  // namespace stasis::ops
