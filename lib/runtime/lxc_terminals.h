#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "lib/base/json.h"
#include "lib/base/option.h"
#include "lib/proc/process.h"
#include "lib/sys/child.h"
#include "lib/sys/fd.h"

namespace stasis::runtime {

/// A terminal that LXC has mounted into a container, and whose other end its monitor holds.
struct LxcTerminal {
    std::string mount_point;
    std::string id;  ///< CRIU's name for it, "tty[8801:2a]"; empty in checkpoints that lack it
    uid_t owner = 0;
    gid_t group = 0;
    std::string device;  ///< of the devpts, as in mountinfo
};

/// All of a container's.
struct LxcTerminals {
    std::vector<LxcTerminal> consoles;  ///< the places of its one console: two with lxc.tty.dir, none without a console
    std::vector<LxcTerminal> others;    ///< those of lxc.tty.max
};

LxcTerminals lxc_terminals(pid_t init);

/// A task below `init` that keeps CRIU from restoring these terminals: it has inherited them into a mount namespace of
/// its own, as a systemd unit with PrivateTmp= or ProtectSystem= does.
std::optional<proc::Stat> heir_of(const LxcTerminals& terminals, pid_t init);

/// CRIU's options for a dump without them.
OptionList options_for(const LxcTerminals& terminals);

/// For a description's details.
Json to_json(const std::vector<LxcTerminal>& terminals);

/// What takes the place of the terminals of lxc.tty.max at a restore, for which liblxc makes none (5.0.2, do_restore):
/// new ones of the host's. lxc-console does not reach them, and no getty on them hangs up.
class LxcSubstitutes {
  public:
    /// `terminals` from the details of a checkpoint; throws Kind::system.
    explicit LxcSubstitutes(const Json& terminals);
    /// Lines of a CRIU configuration.
    const std::string& configuration() const { return configuration_; }
    /// Gives both ends to lxc-checkpoint: CRIU, which it starts, takes the ones, and its monitor keeps the others open
    /// for as long as the container runs.
    void hand_to(sys::Command& restore) const;

  private:
    void add(const LxcTerminal& terminal);
    std::vector<sys::UniqueFd> ends_;
    std::string configuration_;
};

}  // namespace stasis::runtime
