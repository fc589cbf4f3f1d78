#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include <google/protobuf/stubs/logging.h>

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/base/version.h"

namespace stasis {
namespace {

/// In the order in which help lists them.
constexpr std::array<Command, 23> kCommands{{
    {"snapshot", add_snapshot},
    {"stateful-stop", add_stateful_stop},
    {"restore", add_restore},
    {"move-to-host", add_move_to_host},
    {"check", add_check},
    {"list", add_list},
    {"info", add_info},
    {"verify", add_verify},
    {"delete", add_delete},
    {"prune", add_prune},
    {"export", add_export},
    {"import", add_import},
    {"bug-report", add_bug_report},
    {"completion", add_completion},
    {"receive", add_receive},
    {"serve-pages", add_serve_pages},
    {"guard-trial", add_guard_trial},
    {"rsync-transport", add_rsync_transport},
    {"selftest-target", add_selftest_target},
    {"prepare-network", add_prepare_network},
    {"in-new-pids", add_in_new_pids},
    {"run-with-mount", add_run_with_mount},
    {"run-conmon", add_run_conmon},
}};

void add_globals(CLI::App& app, Globals& globals) {
    const CLI::Validator not_empty(
        [](const std::string& text) { return std::string(text.empty() ? "must not be empty" : ""); }, "");
    app.add_option("--store", globals.store, "Where checkpoints lie")
        ->envname("STASIS_STORE")
        ->capture_default_str()
        ->type_name("DIR")
        ->check(not_empty);
    app.add_option("--runc-root", globals.runc_root, "runc's state folder (`runc --root`)")
        ->capture_default_str()
        ->type_name("DIR")
        ->check(not_empty);
    app.add_option("--crun-root", globals.crun_root, "crun's state folder (`crun --root`)")
        ->capture_default_str()
        ->type_name("DIR")
        ->check(not_empty);
    app.add_option("--lxc-path", globals.lxc_path, "LXC's folder of containers (default: `lxc-config lxc.lxcpath`)")
        ->type_name("DIR")
        ->check(not_empty);
    app.add_option("--timeout", globals.timeout_seconds, "Give up after this time; the target runs on")
        ->check(CLI::Range(0.001, 1e9))  // more would overflow the clock
        ->type_name("SECONDS");
    app.add_flag("--json", globals.json, "Print one JSON document");
    app.add_flag("-v,--verbose", globals.verbose, "Say each step on standard error");
    app.add_flag("-q,--quiet", globals.quiet, "Print no progress and no warnings");
    app.set_version_flag("--version", std::string("stasis ") + kVersion);
}

/// A descriptor that we open must never become standard output by chance.
void open_missing_standard_streams() {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
        if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR);
}

int run(int argc, char** argv) {
    Globals globals;
    CLI::App app{"Freeze running containers, keep their state on disk, bring them back"};
    app.require_subcommand(1);
    // Global options are understood before and after the command.
    app.fallthrough();
    add_globals(app, globals);
    Run chosen;
    for (const Command& command : kCommands) command.add(app, globals, chosen);
    try {
        app.parse(argc, argv);
        return chosen();
    } catch (const CLI::Success& help_or_version) {
        return app.exit(help_or_version) == 0 ? kOk : kFailed;
    } catch (const CLI::ParseError& error) {
        // CLI11 misses a command rather than naming the word that is none.
        const std::vector<std::string> unknown = app.remaining();
        const bool is_unknown = app.get_subcommands().empty() && !unknown.empty();
        const std::string what = is_unknown ? "there is no command or option '" + unknown.front() + "'" : error.what();
        print_error(Error(Kind::usage, what).hint("`stasis --help` and `stasis COMMAND --help` show how"),
                    globals.json);
        return kUsage;
    } catch (const Error& error) {
        print_error(error, globals.json);
        return exit_code(error);
    } catch (const std::exception& error) {
        const Error bug(Kind::internal, error.what());
        print_error(bug, globals.json);
        return exit_code(bug);
    }
}

}  // namespace
}  // namespace stasis

int main(int argc, char** argv) {
    stasis::open_missing_standard_streams();
    // Images must be readable by the root of a user namespace; the folder above them is private.
    ::umask(S_IWGRP | S_IWOTH);
    // A reader that closed our output must not end us in the middle of an operation.
    (void)std::signal(SIGPIPE, SIG_IGN);
    // protobuf's own complaints would land between ours; parsing errors are reported by their caller.
    google::protobuf::SetLogHandler(nullptr);
    return stasis::run(argc, argv);
}
