#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "lib/move/channel.h"
#include "lib/pages/live.h"

namespace stasis::ops {

/// The source's end of a post-copy: gives the other host, when it asks, memory of tasks that stand still here.
class PageLender {
  public:
    /// `progress` hears how many bytes were given in all, each time that some were.
    PageLender(move::Channel& channel, const std::vector<pages::LiveTask>& tasks,
               std::function<void(std::uint64_t)> progress);

    /// Gives what the other host asks for until it says what is due. Throws what Channel::expect() does, and
    /// Kind::failed where it asks for memory that there is none of.
    move::Frame expect(move::Frame::ContentCase due, sys::Interrupts& interrupts);

    /// How much was given.
    std::uint64_t bytes() const { return bytes_; }

  private:
    void give(const move::Ask& asked, sys::Interrupts& interrupts);

    move::Channel& channel_;
    std::function<void(std::uint64_t)> progress_;
    std::map<std::uint64_t, sys::UniqueFd> memories_;  ///< by the pid in the container
    std::uint64_t bytes_ = 0;
};

}  // namespace stasis::ops
