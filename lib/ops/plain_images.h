#pragma once

#include "lib/ops/context.h"

namespace stasis::ops {

/// The images of a checkpoint as CRIU and the runtimes read them. Compressed ones are unpacked beside the checkpoint,
/// or, where there is no room on the disk, in memory (/run), for as long as this lives.
class PlainImages {
  public:
    /// The container's lock must be held: it removes what an interrupted run has left. Throws Kind::damaged, or
    /// Kind::failed where there is no room.
    PlainImages(const Target& target, const store::Location& location, sys::Interrupts& interrupts);
    PlainImages(const PlainImages&) = delete;
    PlainImages& operator=(const PlainImages&) = delete;
    ~PlainImages();

    const Path& path() const { return path_; }

  private:
    Path path_;
    Path unpacked_;  ///< what to remove, or empty
};

}  // namespace stasis::ops
