#include "lib/runtime/lxc_terminals.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/proc/process.h"

namespace stasis::runtime {
namespace {

/// liblxc's key for the console that it hands to CRIU (5.0.2, criu.c).
constexpr const char* kConsoleKey = "console";

/// One terminal of a devpts, the container's or the host's, that is bound into /dev or the folder of lxc.tty.dir there.
bool is_terminal(const proc::Mount& mount) {
    return mount.type == "devpts" && mount.root != "/" && mount.root != "/ptmx" &&
           mount.mount_point.starts_with("/dev/");
}

LxcTerminal terminal_from(const Json& json) {
    // Older checkpoints have the place alone: no process had it open.
    if (json.is_string()) return {json.get<std::string>(), "", 0, 0, ""};
    return {json.at("mount_point").get<std::string>(), json.at("id").get<std::string>(), json.at("owner").get<uid_t>(),
            json.at("group").get<gid_t>(), ""};
}

}  // namespace

LxcTerminals lxc_terminals(pid_t init) {
    LxcTerminals found;
    for (const proc::Mount& mount : proc::mounts(init)) {
        struct stat info {};
        if (!is_terminal(mount) || ::stat(fmt::format("/proc/{}/root{}", init, mount.mount_point).c_str(), &info) != 0)
            continue;
        const LxcTerminal terminal{mount.mount_point, fmt::format("tty[{:x}:{:x}]", info.st_rdev, info.st_dev),
                                   info.st_uid, info.st_gid, mount.device};
        (mount.mount_point.ends_with("/console") ? found.consoles : found.others).push_back(terminal);
    }
    return found;
}

std::optional<proc::Stat> heir_of(const LxcTerminals& terminals, pid_t init) {
    // CRIU binds an inherited one to whatever it has mounted first of that devpts, and can't make it follow a new
    // terminal where that was /dev/pts itself ("Failed to copy sharing", 4.2.1). Those in a folder of lxc.tty.dir come
    // before.
    std::string devpts;
    for (const proc::Mount& mount : proc::mounts(init))
        if (mount.mount_point == "/dev/pts") devpts = mount.device;
    const auto comes_late = [&](const LxcTerminal& terminal) {
        return terminal.device == devpts && sys::Path(terminal.mount_point).parent_path() == "/dev";
    };
    std::vector<LxcTerminal> all = terminals.consoles;
    all.insert(all.end(), terminals.others.begin(), terminals.others.end());
    if (all.empty() || !std::all_of(all.begin(), all.end(), comes_late)) return std::nullopt;
    const std::uint64_t own = proc::namespace_inode(init, "mnt");
    for (const proc::Stat& task : proc::tree_of(init, proc::all_processes())) {
        const std::uint64_t inner = proc::namespace_inode(task.id.pid, "mnt");
        if (inner != 0 && inner != own) return task;
    }
    return std::nullopt;
}

OptionList options_for(const LxcTerminals& terminals) {
    OptionList options;
    const auto leave_out = [&](const LxcTerminal& terminal, const std::string& key, const char* why) {
        options.push_back({"external", "mnt[" + terminal.mount_point + "]:" + key, why});
        options.push_back({"external", terminal.id, why});
    };
    for (const LxcTerminal& console : terminals.consoles) leave_out(console, kConsoleKey, "LXC gives it a new console");
    for (const LxcTerminal& terminal : terminals.others)
        leave_out(terminal, terminal.mount_point, "its other end is with LXC's monitor");
    return options;
}

Json to_json(const std::vector<LxcTerminal>& terminals) {
    Json list = Json::array();
    for (const LxcTerminal& terminal : terminals)
        list.push_back({{"mount_point", terminal.mount_point},
                        {"id", terminal.id},
                        {"owner", terminal.owner},
                        {"group", terminal.group}});
    return list;
}

LxcSubstitutes::LxcSubstitutes(const Json& terminals) {
    for (const Json& terminal : terminals) add(terminal_from(terminal));
}

void LxcSubstitutes::add(const LxcTerminal& terminal) {
    sys::UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    std::array<char, 64> name{};
    if (!master || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0 ||
        ::ptsname_r(master.get(), name.data(), name.size()) != 0)
        throw system_error(errno, "make a terminal");
    sys::UniqueFd slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    // In a user namespace CRIU may only give away what belongs to that already (4.2, criu/tty.c).
    if (!slave || ::fchown(slave.get(), terminal.owner, terminal.group) != 0)
        throw system_error(errno, "open a terminal");
    configuration_ += fmt::format("external mnt[{}]:{}\n", terminal.mount_point, name.data());
    if (!terminal.id.empty()) configuration_ += fmt::format("inherit-fd fd[{}]:{}\n", slave.get(), terminal.id);
    ends_.push_back(std::move(master));
    ends_.push_back(std::move(slave));
}

void LxcSubstitutes::hand_to(sys::Command& restore) const {
    for (const sys::UniqueFd& end : ends_) restore.descriptors.emplace_back(end.get(), end.get());
}

}  // namespace stasis::runtime
