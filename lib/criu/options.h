#pragma once

#include "lib/base/option.h"
#include "lib/criu/version.h"
#include "proto/criu_rpc.pb.h"

namespace stasis::criu {

/// Sets the RPC fields that the options name; leaves out what this CRIU is too old for and can do
/// without. Throws Kind::internal for a key that has no RPC field here.
void apply(const OptionList& chosen, const Version& version, rpc::Options& options);

/// The lines of a CRIU configuration file for the options that a restore needs as well, for
/// runtimes that start CRIU themselves.
std::string restore_configuration(const OptionList& chosen);

}  // namespace stasis::criu
