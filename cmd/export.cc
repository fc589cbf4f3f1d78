#include <fcntl.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/ops/carry.h"
#include "lib/ops/manage.h"

namespace stasis {
namespace {

struct ExportOptions {
    std::string target;
    std::optional<std::string> name;
    std::optional<ops::Path> directory;
    std::optional<ops::Path> output;
    bool plain = false;
    bool podman = false;
};

constexpr const char* kStandardOutput = "-";

sys::Archive open_archive(const ops::Path& path) {
    if (path != kStandardOutput) return sys::Archive(path);
    if (::isatty(STDOUT_FILENO) == 1)
        throw Error(Kind::usage, "an archive is nothing for a terminal").hint("name a file with --output");
    return {sys::UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)), "standard output"};
}

int run_export(const Globals& globals, const ExportOptions& options) {
    Session session(globals);
    const ops::Choice choice = ops::info(session.context(), options.target, options.name, options.directory);
    const store::Manifest& manifest = choice.manifest;
    const ops::Path path = options.output.value_or(manifest.container + "-" + manifest.checkpoint + ".tar.zst");
    sys::Archive archive = open_archive(path);
    if (options.podman)
        ops::export_for_engine(session.context(), choice, archive);
    else
        ops::export_checkpoint(session.context(), choice, options.plain, archive);
    archive.finish();
    if (path == kStandardOutput) return kOk;
    if (globals.json)
        print_json({{"target", manifest.target()},
                    {"checkpoint", manifest.checkpoint},
                    {"path", std::filesystem::absolute(path).string()},
                    {"bytes", std::filesystem::file_size(path)}});
    else
        print_text(manifest.target() + " exported from '" + manifest.checkpoint + "': " + path.string() + ", " +
                   human_bytes(std::filesystem::file_size(path)) + "\n");
    return kOk;
}

}  // namespace

void add_export(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<ExportOptions>();
    CLI::App& command = *parent.add_subcommand("export", "Write a checkpoint into one file, to keep it elsewhere");
    command.add_option("TARGET", options->target, "Container or process tree")->required();
    CLI::Option* name = command.add_option("NAME", options->name, "Checkpoint (default: the stop state)");
    command.add_option("--dir", options->directory, "A plain directory instead of the store")
        ->type_name("DIR")
        ->excludes(name);
    command.add_option("--output", options->output, "The archive to write (default: named after both, in this folder)")
        ->type_name("FILE");
    command.add_flag("--plain", options->plain, "Unpack compressed images, for CRIU's own tools");
    command.add_flag("--podman", options->podman, "Write it for `podman container restore --import`");
    command.callback(
        [&globals, &run, options] { run = [&globals, options] { return run_export(globals, *options); }; });
}

}  // namespace stasis
