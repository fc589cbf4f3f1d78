#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lib/base/time.h"

namespace stasis::ops {

/// What a long operation spends its time on: phases, one after the other without a gap.
class Phases {
  public:
    struct Phase {
        std::string name;
        long long took_us = 0;
    };

    /// Ends the phase that goes on, if one does, and begins another.
    void begin(std::string name) {
        end();
        name_ = std::move(name);
        began_ = Clock::now();
    }
    void end() {
        if (!name_.empty()) phases_.push_back({std::exchange(name_, ""), microseconds_between(began_, Clock::now())});
    }

    /// Those that have ended, in their order.
    const std::vector<Phase>& ended() const { return phases_; }

  private:
    std::vector<Phase> phases_;
    std::string name_;  ///< of the one that goes on
    Clock::time_point began_;
};

}  // namespace stasis::ops
