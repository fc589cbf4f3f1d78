#include "cmd/destination_options.h"

#include <limits>

namespace stasis {

std::vector<CLI::Option*> add_destination(CLI::App& command, move::Destination& to) {
    const auto words = [](std::vector<std::string>& into) {
        return [&into](const std::string& text) { into = move::split_words(text); };
    };
    return {
        command
            .add_option_function<std::string>("--ssh", words(to.ssh),
                                              "What to run instead of ssh, with options of its own")
            ->type_name("COMMAND"),
        command.add_option("--identity", to.identity, "The private key for ssh")->type_name("FILE"),
        command.add_option("--port", to.port, "The port of ssh on the other host")
            ->check(CLI::Range(1, static_cast<int>(std::numeric_limits<std::uint16_t>::max())))
            ->type_name("N"),
        command.add_flag("--sudo", to.sudo, "Become root on the other host by sudo, which must not ask for a password"),
        command
            .add_option_function<std::string>("--remote-stasis", words(to.stasis),
                                              "How stasis is called on the other host, with global options of its own")
            ->type_name("COMMAND"),
    };
}

}  // namespace stasis
