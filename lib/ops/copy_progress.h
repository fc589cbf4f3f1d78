#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "lib/base/progress.h"
#include "lib/base/time.h"

namespace stasis::ops {

/// Says how far a copy has come, at what rate, and how long the rest takes as fast as that was: once for each percent.
class CopyProgress {
  public:
    /// `all`: bytes, as far as can be told; it may become more or less.
    CopyProgress(Progress& progress, std::string what, std::uint64_t all)
        : progress_(progress), what_(std::move(what)), all_(all) {}

    /// So many bytes are through.
    void at(std::uint64_t bytes);

  private:
    Progress& progress_;
    std::string what_;
    std::uint64_t all_;
    std::uint64_t percent_ = 0;
    Clock::time_point began_ = Clock::now();
};

}  // namespace stasis::ops
