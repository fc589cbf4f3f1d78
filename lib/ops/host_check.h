#pragma once

#include <string>
#include <vector>

#include "lib/move/link.h"
#include "lib/ops/examine.h"
#include "lib/store/manifest.h"

namespace stasis::ops {

/// How a target and another host go together.
struct HostCheck {
    struct Problem {
        std::string what;
        std::string remedy;
    };
    std::string stasis;  ///< versions there; empty where there is none
    std::string criu;
    std::vector<Problem> problems;
    std::vector<std::string> warnings;
};

/// Which of its files go along with a container.
struct MoveFiles {
    bool shared = false;   ///< none: the other host sees the same ones
    bool volumes = false;  ///< those in its volumes, too

    /// What goes along beside the root file system: folders of its own, and volumes.
    std::vector<runtime::BindMount> folders_of(const runtime::Description& described) const;
};

/// What the source says of a container before it sends it. `draft` is without what the container expects around it.
move::Offer make_offer(const Target& target, const Examination& found, store::Manifest draft, const MoveFiles& files);

/// What the other host says to an offer.
HostCheck ask(move::Channel& channel, move::Offer offer, sys::Interrupts& interrupts);

/// What the source itself has to say: what a target must be to be moved, beyond what a dump asks, and what stays
/// behind.
void add_own_findings(const Target& target, const Examination& found, const MoveFiles& files, HostCheck& check);

/// What a move would do before its first byte: nothing is touched. The target must be one that can be dumped.
HostCheck check_other_host(Context& context, const std::string& target, const Examination& found,
                           const move::Destination& to, const MoveFiles& files);

}  // namespace stasis::ops
