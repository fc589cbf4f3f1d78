#pragma once

#include "lib/base/time.h"
#include "lib/ops/context.h"
#include "lib/pages/protocol.h"

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

    /// A private folder for what is made of them, for as long as this lives.
    Path room();

    /// Has its timers on the time of day go off when they are due (criu::set_wall_clock_timers()).
    void set_clock(Microseconds dumped, Microseconds now);

    /// The same for a lazy restore by a page server: pages::make_lazy(). Once. Throws what that does.
    Path made_lazy(pages::Layout layout);

  private:
    void make_folder();

    Path path_;
    Path on_disk_;   ///< where it may be unpacked
    Path unpacked_;  ///< what to remove, or empty
};

}  // namespace stasis::ops
