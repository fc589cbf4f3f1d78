#pragma once

#include <functional>

namespace stasis::sys {

/// Does something in a thread of its own, which ends with it: what that thread changes of its namespaces is gone then.
/// Throws what `body` throws.
void in_own_thread(const std::function<void()>& body);

}  // namespace stasis::sys
