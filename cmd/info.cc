#include <fmt/format.h>

#include "cmd/documents.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"
#include "lib/ops/manage.h"

namespace stasis {
namespace {

struct InfoOptions {
    std::string target;
    std::optional<std::string> name;
    std::optional<ops::Path> directory;
};

Json to_json(const ops::Choice& choice) {
    const store::Manifest& manifest = choice.manifest;
    Json options = Json::array();
    for (const Option& option : manifest.criu_options)
        options.push_back({{"key", option.key}, {"value", option.value}, {"reason", option.reason}});
    Json tasks = Json::array();
    for (const store::Task& task : manifest.tasks) tasks.push_back({{"pid", task.pid}, {"command", task.command}});
    return {{"target", manifest.target()},
            {"checkpoint", manifest.checkpoint},
            {"kind", manifest.kind},
            {"created", manifest.created},
            {"path", choice.location.path().string()},
            {"format", manifest.format},
            {"stasis", manifest.stasis_version},
            {"host", manifest.host_name},
            {"kernel", manifest.kernel},
            {"architecture", manifest.architecture},
            {"criu", manifest.criu_version},
            {"freeze_us", manifest.freeze_us},
            {"image_bytes", manifest.image_bytes},
            {"parent", manifest.parent},
            {"rootfs_bytes", manifest.rootfs_bytes},
            {"rootfs", {{"backend", manifest.rootfs.backend}, {"path", manifest.rootfs.path}}},
            {"options", options},
            {"tasks", tasks}};
}

std::string to_text(const ops::Choice& choice) {
    const store::Manifest& m = choice.manifest;
    std::string text = fmt::format("{} '{}' ({})\n", m.target(), m.checkpoint, m.kind);
    const auto line = [&text](const char* label, const std::string& value) {
        text += fmt::format("  {:<9}{}\n", label, value);
    };
    line("created", m.created);
    line("path", choice.location.path().string());
    if (m.host_name.empty()) {
        line("made by", fmt::format("{} (imported by stasis {}), {}", m.runtime, m.stasis_version, m.architecture));
    } else {
        line("host", fmt::format("{}, kernel {}, {}", m.host_name, m.kernel, m.architecture));
        line("made by", fmt::format("stasis {}, CRIU {}", m.stasis_version, m.criu_version));
    }
    line("frozen", human_time(m.freeze_us));
    line("memory",
         human_bytes(m.image_bytes) + (m.parent.empty() ? "" : ", unchanged pages shared with '" + m.parent + "'"));
    line("rootfs", fmt::format("{} of {} ({})", human_bytes(m.rootfs_bytes),
                               m.rootfs.path.empty() ? "-" : m.rootfs.path, m.rootfs.backend));
    line("tasks", std::to_string(m.tasks.size()));
    for (const store::Task& task : m.tasks) text += fmt::format("    {:>7} {}\n", task.pid, task.command);
    return text;
}

int run_info(const Globals& globals, const InfoOptions& options) {
    Session session(globals);
    const ops::Choice choice = ops::info(session.context(), options.target, options.name, options.directory);
    if (globals.json)
        print_json(to_json(choice));
    else
        print_text(to_text(choice));
    return kOk;
}

}  // namespace

Json info_document(ops::Context& context, const std::string& target, const std::string& name) {
    return to_json(ops::info(context, target, name, std::nullopt));
}

void add_info(CLI::App& parent, const Globals& globals, Run& run) {
    const auto options = std::make_shared<InfoOptions>();
    CLI::App& command = *parent.add_subcommand("info", "Show what one checkpoint says of itself");
    command.add_option("TARGET", options->target, "Container or process tree")->required();
    command.add_option("NAME", options->name, "Checkpoint (default: the newest stop state)");
    command.add_option("--dir", options->directory, "Show the checkpoint that lies in this directory")
        ->type_name("DIR");
    command.callback([&globals, &run, options] { run = [&globals, options] { return run_info(globals, *options); }; });
}

}  // namespace stasis
