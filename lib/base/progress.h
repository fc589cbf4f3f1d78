#pragma once

#include <string_view>

namespace stasis {

/// Where an operation says what it is doing and what surprised it. The libraries never print;
/// cmd/ decides what a person, a script or a cron job sees of this.
class Progress {
  public:
    virtual ~Progress() = default;
    /// A step has begun, for example "copying the root file system".
    virtual void step(std::string_view what) = 0;
    /// Something the user should know although the operation goes on.
    virtual void warn(std::string_view what) = 0;
    /// For -v only.
    virtual void detail(std::string_view what) = 0;
};

}  // namespace stasis
