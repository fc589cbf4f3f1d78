#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "lib/ops/context.h"

namespace stasis::ops {

/// The place of a target among those that are stopped together: lower ones first, equal ones side by side.
/// They are restored the other way round.
struct Rank {
    bool listed = false;  ///< in the order file: after all that are not
    int place = 0;        ///< the line there; else the number that the container bears, or 0

    auto operator<=>(const Rank&) const = default;
};

/// Targets in the order in which they are stopped, one after the other: `web` before its `database`.
class Order {
  public:
    static constexpr const char* kDefaultFile = "/etc/stasis/order";

    /// No order but what the containers say themselves.
    Order() = default;
    /// One target a line, with or without its runtime; "#" begins a comment. Throws Kind::usage where one stands
    /// there twice.
    explicit Order(const std::string& text);
    /// From the file that was given, or from the default one where it is there.
    static Order from_file(const std::optional<Path>& given);

    /// `said` is what the container says (the annotation org.stasis.order), or "". Throws Kind::failed where that
    /// counts and is no whole number.
    Rank rank(const std::string& runtime, const std::string& container, const std::string& said) const;

  private:
    std::vector<std::string> lines_;
};

/// Does `text`, with or without a runtime, name this container?
bool names(const std::string& text, const std::string& runtime, const std::string& container);

}  // namespace stasis::ops
