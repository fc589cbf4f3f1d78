#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fake {

/// What the fake does otherwise than CRIU: FAKE_CRIU_SCRIPT, words separated by blanks.
///
/// STEP is `version`, `check`, the name of a notification, `start` (a dump or restore was asked
/// for, nothing was said yet) or `end` (the final answer).
///   version:X.Y.Z         says so of itself
///   eof-at:STEP           goes away at STEP; a notification is still sent, its answer not read
///   crash-at:STEP         the same by SIGKILL
///   hang-at:STEP          says nothing more until its client goes away
///   slow-at:STEP:MS       waits before STEP
///   signal-at:STEP:N      sends its client the signal N before STEP
///   kill-at:STEP          kills the target before STEP (CRIU does so before the end of a stop)
///   refuse:STEP[:TIMES]   fails instead of STEP, with an error in its log: the one in FAKE_CRIU_ERROR if
///                         that is set; in the first TIMES dumps of the trace only
///   print-at:STEP         prints on standard error
///   garbage:STEP          sends bytes that are no message
///   wrong-type:STEP       sends another type than the one that belongs there
///   oversized:STEP        puts kOversized bytes of cr_errmsg into the message
///   fd-at:STEP, fds-at:STEP   sends one or two descriptors of /dev/null along
///   errmsg-on-success     sets cr_errmsg although all is well, as CRIU does
///   extra-notify          sends a notification that nobody knows
///   echo-nack             asks once more after each refusal
///   no-post-dump          does not ask at the commit point
///   no-last-page          goes on as if all pages were sent, without saying so
///   no-log                fails without a word in its log
class Script {
  public:
    static Script from_environment();
    bool has(std::string_view word) const;
    /// What stands behind `verb:`, at this step; "" for no argument, nothing where it isn't there.
    std::optional<std::string> at(std::string_view verb, std::string_view step) const;
    std::string version() const;

  private:
    std::vector<std::string> words_;
};

constexpr std::size_t kOversized = 400'000;

}  // namespace fake
