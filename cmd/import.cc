#include <fcntl.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/ops/carry.h"
#include "lib/ops/import_podman.h"

namespace stasis {
namespace {

struct ImportOptions {
    ops::Path archive;
    std::optional<std::string> name;
};

sys::Unpacker open_archive(const ops::Path& path) {
    if (path == "-") return {sys::UniqueFd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)), "standard input"};
    return {sys::open_path(path, O_RDONLY), path.string()};
}

/// One of podman's is read more than once, so that it can't come from a pipe.
ops::Choice import_archive(ops::Context& context, const ImportOptions& options) {
    if (options.archive != "-")
        if (const auto config = ops::podman_config_in(options.archive, context.interrupts))
            return ops::import_podman_checkpoint(context, options.archive, *config, options.name);
    sys::Unpacker archive = open_archive(options.archive);
    return ops::import_checkpoint(context, archive, options.name);
}

int run_import(const Globals& globals, const ImportOptions& options) {
    Session session(globals);
    const ops::Choice imported = import_archive(session.context(), options);
    const store::Manifest& manifest = imported.manifest;
    if (globals.json)
        print_json({{"target", manifest.target()},
                    {"checkpoint", manifest.checkpoint},
                    {"kind", manifest.kind},
                    {"path", imported.location.path().string()}});
    else
        print_text(manifest.target() + " imported as '" + manifest.checkpoint +
                   "': " + imported.location.path().string() + "\n");
    return kOk;
}

}  // namespace

void add_import(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<ImportOptions>();
    CLI::App& command = *parent.add_subcommand("import", "Put an exported checkpoint into the store");
    command.add_option("FILE", options->archive, "The archive, or - for standard input")->required();
    command.add_option("NAME", options->name,
                       "What to call the checkpoint here (default: as it was called; one of podman's: by the time)");
    command.callback(
        [&globals, &run, options] { run = [&globals, options] { return run_import(globals, *options); }; });
}

}  // namespace stasis
