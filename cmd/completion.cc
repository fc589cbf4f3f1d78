#include <fmt/format.h>

#include "cmd/command.h"
#include "cmd/exit_code.h"
#include "cmd/output.h"

namespace stasis {
namespace {

std::vector<const CLI::Option*> visible_options(const CLI::App& app) {
    return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

/// Names for the shell, from the parser itself, so that completions can't drift from the commands.
std::string option_names(const CLI::App& command) {
    std::string names;
    for (const CLI::Option* option : visible_options(command))
        for (const std::string& name : option->get_lnames()) names += (names.empty() ? "--" : " --") + name;
    return names;
}

std::vector<const CLI::App*> visible_commands(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::string bash_script(const CLI::App& app) {
    std::string cases;
    std::string names;
    for (const CLI::App* command : visible_commands(app)) {
        names += (names.empty() ? "" : " ") + command->get_name();
        cases += fmt::format("        {}) words=\"{}\" ;;\n", command->get_name(), option_names(*command));
    }
    return fmt::format(R"(# bash completion for stasis
_stasis() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} command= word words
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case " {0} " in *" $word "*) command=$word; break ;; esac
    done
    case $command in
{1}        *) words="{0}" ;;
    esac
    COMPREPLY=($(compgen -W "$words {2}" -- "$current"))
}}
complete -o default -F _stasis stasis
)",
                       names, cases, option_names(app));
}

std::string zsh_script(const CLI::App& app) {
    std::string commands;
    std::string cases;
    for (const CLI::App* command : visible_commands(app)) {
        commands += fmt::format("        '{}:{}'\n", command->get_name(), command->get_description());
        cases += fmt::format("        {}) compadd -- {} ;;\n", command->get_name(), option_names(*command));
    }
    return fmt::format(R"(#compdef stasis
_stasis() {{
    local -a commands=(
{}    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    case $words[2] in
{}    esac
    compadd -- {}
    _files
}}
_stasis "$@"
)",
                       commands, cases, option_names(app));
}

std::string fish_script(const CLI::App& app) {
    std::string text = "# fish completion for stasis\n";
    for (const CLI::Option* option : visible_options(app))
        for (const std::string& name : option->get_lnames()) text += fmt::format("complete -c stasis -l {}\n", name);
    for (const CLI::App* command : visible_commands(app)) {
        text += fmt::format("complete -c stasis -n __fish_use_subcommand -a {} -d '{}'\n", command->get_name(),
                            command->get_description());
        for (const CLI::Option* option : visible_options(*command))
            for (const std::string& name : option->get_lnames())
                text += fmt::format("complete -c stasis -n '__fish_seen_subcommand_from {}' -l {}\n",
                                    command->get_name(), name);
    }
    return text;
}

}  // namespace

void add_completion(CLI::App& parent, const Globals&, Run& run) {
    const auto shell = std::make_shared<std::string>();
    CLI::App& command = *parent.add_subcommand("completion", "Print a completion script for a shell");
    command.add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command.callback([&parent, &run, shell] {
        run = [&parent, shell]() -> int {
            print_text(*shell == "bash"  ? bash_script(parent)
                       : *shell == "zsh" ? zsh_script(parent)
                                         : fish_script(parent));
            return kOk;
        };
    });
}

}  // namespace stasis
