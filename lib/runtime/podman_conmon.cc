#include "lib/runtime/podman_conmon.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "lib/base/error.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

constexpr const char* kFails = "fails";

Path write(const RestorePlan& plan, const Json& how) {
    const Path file = plan.logs / (plan.log_name + ".conmon");
    sys::write_file_atomically(file, "#!" + sys::own_path() + " run-conmon\n" + how.dump(), 0700);
    return file;
}

}  // namespace

std::string conmon_obstacle(const Path& folder) {
    struct statvfs info {};
    if (::statvfs(folder.c_str(), &info) == 0 && (info.f_flag & ST_NOEXEC) != 0)
        return "no program may be started from the file system of '" + folder.string() +
               "' (noexec), and podman is to start one there: copy the checkpoint to another, and name it by --dir";
    if (const std::string self = sys::own_path(); self.find(' ') != std::string::npos)
        return "podman is to start '" + self + "', and can't for the blank in its name: install stasis elsewhere";
    return "";
}

Path write_conmon(const RestorePlan& plan, const Path& configuration) {
    return write(
        plan, {{"conmon", plan.details.at("conmon")}, {"path", plan.search_path()}, {"configuration", configuration}});
}

Path write_failing_conmon(const RestorePlan& plan) {
    return write(plan, {{"conmon", plan.details.at("conmon")}, {kFails, true}});
}

void run_conmon(const Path& file, std::vector<std::string> arguments) {
    std::string how = sys::read_file(file);
    const Json json = Json::parse(how.substr(how.find('\n')));
    if (!json.contains(kFails)) {
        (void)::setenv("PATH", json.at("path").get<std::string>().c_str(), 1);
        (void)::setenv("CRIU_CONFIG_FILE", json.at("configuration").get<std::string>().c_str(), 1);
    } else if (arguments != std::vector<std::string>{"--version"}) {  // podman asks that first
        std::filesystem::remove(file);
        throw Error(Kind::failed, "this conmon only has the container made");
    }
    (void)::close(kLockFd);  // conmon outlives the restore
    std::string conmon = json.at("conmon");
    std::vector<char*> args{conmon.data()};
    for (std::string& word : arguments) args.push_back(word.data());
    args.push_back(nullptr);
    (void)::execv(conmon.c_str(), args.data());
    throw system_error(errno, "start '" + conmon + "'");
}

}  // namespace stasis::runtime
