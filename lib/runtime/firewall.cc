#include "lib/runtime/firewall.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

/// The image of this kind that has the lowest number: CRIU counts namespaces as it finds them, the first process's
/// first.
std::string first_image(const sys::Path& images, const std::string& kind) {
    std::optional<std::pair<unsigned long, sys::Path>> first;
    for (const auto& entry : std::filesystem::directory_iterator(images)) {
        const std::string name = entry.path().stem();
        if (!name.starts_with(kind + "-")) continue;
        const unsigned long id = std::stoul(name.substr(kind.size() + 1));
        if (!first || id < first->first) first = {id, entry.path()};
    }
    return first ? sys::read_file(first->second) : "";
}

/// A table ends with the first line that is a closing brace and nothing else.
std::string without_criu_tables(const std::string& rules) {
    std::string result;
    bool is_criu = false;
    std::istringstream lines(rules);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("table ")) is_criu = line.starts_with("table inet CRIU-");
        if (!is_criu) result += line + "\n";
    }
    return result;
}

/// To the first of the programs that is there; where there are no rules, to none.
void feed(const std::vector<std::string>& programs, const std::vector<std::string>& options, const std::string& rules) {
    if (rules.find_first_not_of(" \n") == std::string::npos) return;
    const auto there = std::find_if(programs.begin(), programs.end(),
                                    [](const std::string& program) { return sys::find_program(program).has_value(); });
    sys::Command command;
    command.args = {there != programs.end() ? *there : programs.front()};
    command.args.insert(command.args.end(), options.begin(), options.end());
    const sys::UniqueFd input = sys::memory_file("rules");
    sys::write_all(input.get(), rules, "the rules of the firewall");
    (void)::lseek(input.get(), 0, SEEK_SET);
    command.in = input.get();
    const sys::RunResult result = sys::run(command);
    if (!result.status.ok())
        throw Error(Kind::failed,
                    "'" + command.args.front() + "' can't set the rules of the container's firewall again")
            .details({result.err});
}

}  // namespace

void restore_firewall(const sys::Path& images) {
    feed({"nft"}, {"-f", "-"}, without_criu_tables(first_image(images, "nftables")));
    feed({"iptables-legacy-restore", "iptables-restore"}, {}, first_image(images, "iptables"));
    feed({"ip6tables-legacy-restore", "ip6tables-restore"}, {}, first_image(images, "ip6tables"));
}

}  // namespace stasis::runtime
