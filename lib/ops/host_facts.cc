#include "lib/ops/host_facts.h"

#include <fnmatch.h>
#include <sys/klog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

#include "lib/base/error.h"
#include "lib/ops/host.h"
#include "lib/sys/archive.h"

namespace stasis::ops {
namespace {

/// The first are those that CRIU's own documentation asks for (criu.org/Linux_kernel).
constexpr std::array<const char*, 31> kSettings{"CHECKPOINT_RESTORE",
                                                "NAMESPACES",
                                                "*_NS",
                                                "EVENTFD",
                                                "EPOLL",
                                                "FHANDLE",
                                                "INOTIFY_USER",
                                                "FANOTIFY",
                                                "*_DIAG",
                                                "MEM_SOFT_DIRTY",
                                                "USERFAULTFD",
                                                "NETFILTER_XT_MARK",
                                                "TUN",
                                                "BRIDGE",
                                                "VETH",
                                                "MACVLAN",
                                                "NF_TABLES*",
                                                "IP_NF_*",
                                                "IP6_NF_*",
                                                "IO_URING",
                                                "CGROUP*",
                                                "SECCOMP*",
                                                "RSEQ",
                                                "FUSE_FS",
                                                "OVERLAY_FS",
                                                "BTRFS_FS",
                                                "X86_USER_SHADOW_STACK",
                                                "SECURITY_APPARMOR",
                                                "SECURITY_SELINUX",
                                                "DEFAULT_SECURITY*",
                                                "MODULES"};

/// Of "CONFIG_NAME=value" and "# CONFIG_NAME is not set": does the name matter?
bool matters(const std::string& line) {
    const std::size_t begin = line.find("CONFIG_");
    if (begin == std::string::npos) return false;
    const std::size_t name = begin + std::string("CONFIG_").size();
    const std::string setting = line.substr(name, line.find_first_of("= ", name) - name);
    return std::any_of(kSettings.begin(), kSettings.end(),
                       [&](const char* pattern) { return ::fnmatch(pattern, setting.c_str(), 0) == 0; });
}

}  // namespace

std::string kernel_configuration() {
    sys::Path path = "/proc/config.gz";
    if (::access(path.c_str(), R_OK) != 0) path = "/boot/config-" + this_host().kernel;
    std::istringstream lines(sys::read_decompressed(path));
    std::string result;
    for (std::string line; std::getline(lines, line);)
        if (matters(line)) result += line + "\n";
    return result;
}

std::string kernel_messages() {
    constexpr int kReadAll = 3;  // SYSLOG_ACTION_READ_ALL, syslog(2): the newest that fit
    std::string text(64 << 10, '\0');
    const int length = ::klogctl(kReadAll, text.data(), static_cast<int>(text.size()));
    if (length < 0) throw system_error(errno, "read the kernel's log");
    text.resize(static_cast<std::size_t>(length));
    return text;
}

std::string processor() {
    const std::string text = sys::read_file("/proc/cpuinfo");
    return text.substr(0, text.find("\n\n") + 1);
}

}  // namespace stasis::ops
