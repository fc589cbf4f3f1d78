#pragma once

#include <functional>

namespace stasis::proc {

/// Does something in a network namespace, in a thread of its own, which ends with it; `network` is a descriptor of the
/// namespace. Throws what `body` throws, and system_error where it can't be entered.
void in_network(int network, const std::function<void()>& body);

}  // namespace stasis::proc
