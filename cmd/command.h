#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lib/ops/context.h"

namespace stasis {

/// Options that every command takes.
struct Globals {
    std::string store = "/var/lib/stasis";
    std::string runc_root = "/run/runc";
    std::optional<std::string> lxc_path;
    std::optional<double> timeout_seconds;
    bool json = false;
    bool verbose = false;
    bool quiet = false;
    std::string crun_root = "/run/crun";
};

/// What main runs once the command line is read: returns the exit code.
using Run = std::function<int()>;

/// One entry of the table of commands: adds itself to the parser and says what to run.
struct Command {
    const char* name;
    void (*add)(CLI::App& parent, const Globals& globals, Run& run);
};

void add_snapshot(CLI::App& parent, const Globals& globals, Run& run);
void add_stateful_stop(CLI::App& parent, const Globals& globals, Run& run);
void add_restore(CLI::App& parent, const Globals& globals, Run& run);
void add_move_to_host(CLI::App& parent, const Globals& globals, Run& run);
void add_check(CLI::App& parent, const Globals& globals, Run& run);
void add_list(CLI::App& parent, const Globals& globals, Run& run);
void add_info(CLI::App& parent, const Globals& globals, Run& run);
void add_verify(CLI::App& parent, const Globals& globals, Run& run);
void add_delete(CLI::App& parent, const Globals& globals, Run& run);
void add_export(CLI::App& parent, const Globals& globals, Run& run);
void add_import(CLI::App& parent, const Globals& globals, Run& run);
void add_prune(CLI::App& parent, const Globals& globals, Run& run);
void add_bug_report(CLI::App& parent, const Globals& globals, Run& run);
void add_completion(CLI::App& parent, const Globals& globals, Run& run);

// Hidden: what stasis starts itself (cmd/internal.cc).
/// The other end of move-to-host, on its standard input and output.
void add_serve_pages(CLI::App& parent, const Globals& globals, Run& run);
void add_guard_trial(CLI::App& parent, const Globals& globals, Run& run);
void add_receive(CLI::App& parent, const Globals& globals, Run& run);
/// See lib/move/tree.h.
void add_rsync_transport(CLI::App& parent, const Globals& globals, Run& run);
/// The process that `check` dumps and restores to see whether CRIU works here.
void add_selftest_target(CLI::App& parent, const Globals& globals, Run& run);
/// See lib/runtime/runc_network.h.
void add_prepare_network(CLI::App& parent, const Globals& globals, Run& run);
/// See lib/runtime/private_mount.h.
void add_run_with_mount(CLI::App& parent, const Globals& globals, Run& run);
/// See lib/runtime/podman.h.
void add_run_conmon(CLI::App& parent, const Globals& globals, Run& run);
void add_in_new_pids(CLI::App& parent, const Globals& globals, Run& run);

/// The part of an operation's surroundings that outlives it.
class Session {
  public:
    explicit Session(const Globals& globals);
    ops::Context& context() { return context_; }

  private:
    sys::Interrupts interrupts_;
    std::unique_ptr<Progress> progress_;
    ops::Context context_;
};

}  // namespace stasis
