#pragma once

#include <string>

#include "lib/base/option.h"
#include "lib/criu/version.h"
#include "proto/criu_rpc.pb.h"

namespace stasis::criu {

/// An option as a user gives it, "key" or "key=value", by the name that CRIU's command line has for it.
/// Throws Kind::usage for what is no option, and for one that stasis must set itself.
Option parse_option(const std::string& text);

/// Puts a user's options over those that were chosen: each replaces the ones of its key, or with the value
/// "no" takes them away; keys that can stand more than once are added to.
OptionList override_options(OptionList chosen, const OptionList& given);

/// Sets the RPC fields that the options name; leaves out what this CRIU is too old for and can do
/// without, and what has no field: that goes into configuration().
void apply(const OptionList& chosen, const Version& version, rpc::Options& options);

/// The lines of a CRIU configuration file for the options that have no RPC field; empty for none.
std::string configuration(const OptionList& chosen);

/// The same for all options that a restore needs as well, for runtimes that start CRIU themselves.
std::string restore_configuration(const OptionList& chosen);

}  // namespace stasis::criu
