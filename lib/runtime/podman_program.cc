#include "lib/runtime/podman_program.h"

namespace stasis::runtime {

sys::Command podman(std::vector<std::string> words) {
    words.insert(words.begin(), "podman");
    sys::Command command;
    command.args = std::move(words);
    return command;
}

Json podman_info() { return Json::parse(sys::run_or_throw(podman({"info", "--format", "json"}))); }

}  // namespace stasis::runtime
