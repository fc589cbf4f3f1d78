#pragma once

#include <csignal>

#include "lib/base/error.h"

namespace stasis {

/// The exit codes are documented in stasis(8) and never renumbered. A script that meets a code it
/// doesn't know treats it as a failure.
enum ExitCode {
    kOk = 0,
    kFailed = 1,  ///< the target is as it was
    kUsage = 2,
    kPrecondition = 3,  ///< not root, no working CRIU, kernel
    kNotFound = 4,
    kBusy = 5,
    kDamaged = 6,        ///< checkpoint damaged or incompatible
    kTargetChanged = 7,  ///< failed, and the target is NOT as it was
    kInterrupted = 130,  ///< SIGINT
    kTerminated = 143,   ///< SIGTERM, SIGHUP
};

inline int exit_code(const Error& error) {
    switch (error.kind()) {
        case Kind::failed:
        case Kind::internal: return kFailed;
        case Kind::usage: return kUsage;
        case Kind::precondition: return kPrecondition;
        case Kind::not_found: return kNotFound;
        case Kind::busy: return kBusy;
        case Kind::damaged: return kDamaged;
        case Kind::target_changed: return kTargetChanged;
        case Kind::interrupted: return error.signal() == SIGINT ? kInterrupted : kTerminated;
    }
    return kFailed;
}

/// The other way round, for what a run of stasis said to another.
inline Kind kind_of(int code) {
    switch (code) {
        case kUsage: return Kind::usage;
        case kPrecondition: return Kind::precondition;
        case kNotFound: return Kind::not_found;
        case kBusy: return Kind::busy;
        case kDamaged: return Kind::damaged;
        case kTargetChanged: return Kind::target_changed;
        case kInterrupted:
        case kTerminated: return Kind::interrupted;
        default: return Kind::failed;
    }
}

}  // namespace stasis
