#include "lib/ops/kernel_needs.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

#include <fmt/format.h>

#include "lib/criu/known_trouble.h"
#include "lib/ops/record_network.h"
#include "lib/proc/descriptors.h"

namespace stasis::ops {
namespace {

struct Need {
    const char* feature;  ///< empty: every target has it
    const char* option;
    const char* purpose;
};

// CRIU's own needs as its wiki lists them (criu.org/Linux_kernel), the rest by what the target has in use.
constexpr std::array kNeeds{
    Need{"", "CHECKPOINT_RESTORE", "CRIU"},
    Need{"", "FHANDLE", "CRIU"},
    // What was dumped where there are time namespaces is restored into one (criu/timens.c, 4.2).
    Need{"", "TIME_NS", "CRIU, to let clocks go on"},
    Need{"", "UNIX_DIAG", "CRIU, to find the ends of sockets"},
    Need{"namespace pid", "PID_NS", "its pid namespace"},
    Need{"namespace net", "NET_NS", "its network namespace"},
    Need{"namespace ipc", "IPC_NS", "its ipc namespace"},
    Need{"namespace uts", "UTS_NS", "its uts namespace"},
    Need{"namespace user", "USER_NS", "its user namespace"},
    Need{"namespace cgroup", "CGROUPS", "its control group namespace"},
    Need{"socket TCP", "INET_DIAG", "CRIU, to look at its TCP sockets"},
    Need{"socket TCP", "INET_TCP_DIAG", "CRIU, to look at its TCP sockets"},
    Need{"socket UDP", "INET_UDP_DIAG", "CRIU, to look at its UDP sockets"},
    Need{"socket RAW", "INET_RAW_DIAG", "CRIU, to look at its raw sockets"},
    Need{"socket PACKET", "PACKET_DIAG", "CRIU, to look at its packet sockets"},
    Need{"socket NETLINK", "NETLINK_DIAG", "CRIU, to look at its netlink sockets"},
    Need{"lock nftables", "NF_TABLES", "the lock of its network while it stands still"},
    Need{"network veth", "VETH", "the veth of its network namespace"},
    Need{"network bridge", "BRIDGE", "the bridge of its network namespace"},
    Need{"file eventpoll", "EPOLL", "an open epoll"},
    Need{"file eventfd", "EVENTFD", "an open eventfd"},
    Need{"file signalfd", "SIGNALFD", "an open signalfd"},
    Need{"file timerfd", "TIMERFD", "an open timerfd"},
    Need{"file inotify", "INOTIFY_USER", "an open inotify"},
    Need{"file fanotify", "FANOTIFY", "an open fanotify"},
    Need{"file tun", "TUN", "an open tun device"},
    Need{"file memfd", "MEMFD_CREATE", "an open memfd"},
    Need{"seccomp", "SECCOMP_FILTER", "its seccomp filters"},
    Need{"mount overlay", "OVERLAY_FS", "a mounted overlay"},
    Need{"mount tmpfs", "TMPFS", "a mounted tmpfs"},
    Need{"mount mqueue", "POSIX_MQUEUE", "its message queues"},
    Need{"mount hugetlbfs", "HUGETLBFS", "a mounted hugetlbfs"},
    Need{"mount ext4", "EXT4_FS", "a mounted ext4"},
    Need{"mount xfs", "XFS_FS", "a mounted xfs"},
    Need{"mount btrfs", "BTRFS_FS", "a mounted btrfs"},
    Need{"mount nfs", "NFS_FS", "a mounted nfs"},
    Need{"mount nfs4", "NFS_V4", "a mounted nfs4"},
    Need{"mount fuse", "FUSE_FS", "a mounted fuse"},
    Need{"cgroup v1 memory", "MEMCG_V1", "its memory control group (v1)"},
    Need{"cgroup memory", "MEMCG", "its memory control group"},
    Need{"cgroup pids", "CGROUP_PIDS", "its pids control group"},
    Need{"cgroup freezer", "CGROUP_FREEZER", "its freezer control group"},
    Need{"cgroup devices", "CGROUP_DEVICE", "its devices control group"},
    Need{"cgroup cpuset", "CPUSETS", "its cpuset control group"},
};

void add_files(pid_t pid, std::set<std::string>& features) {
    for (const proc::Descriptor& file : proc::descriptors(pid)) {
        const std::string anonymous = "anon_inode:";
        if (file.target.starts_with("socket:")) {
            const std::string protocol = proc::socket_protocol(pid, file.number);
            // "TCPv6", "UNIX-STREAM"
            features.insert("socket " + protocol.substr(0, protocol.find_first_of("-v")));
        } else if (file.target.starts_with(anonymous)) {
            std::string name = file.target.substr(anonymous.size());
            std::erase_if(name, [](char letter) { return letter == '[' || letter == ']'; });
            features.insert("file " + name);
        } else if (file.target == "/dev/net/tun") {
            features.insert("file tun");
        } else if (file.target.starts_with("/memfd:")) {
            features.insert("file memfd");
        }
    }
}

void add_namespaces(pid_t pid, std::set<std::string>& features) {
    for (const char* type : {"pid", "net", "ipc", "uts", "user", "cgroup"})
        if (proc::namespace_inode(pid, type) != proc::namespace_inode(::getpid(), type))
            features.insert(std::string("namespace ") + type);
}

void add_cgroups(pid_t pid, std::set<std::string>& features) {
    for (const proc::CgroupMembership& group : proc::cgroups(pid)) {
        if (group.path == "/") continue;  // every kernel has the root of a hierarchy that it has
        std::istringstream names(group.controllers);
        for (std::string name; std::getline(names, name, ',');)
            if (!name.starts_with("name=")) features.insert("cgroup " + name);
    }
    if (features.contains("cgroup memory")) features.insert("cgroup v1 memory");
}

void add_network(const sys::Path& network, std::set<std::string>& features) {
    if (!is_network_by_path(network)) return;
    const store::NetworkRecord record = record_network(network);
    for (const std::vector<store::NetworkDevice>* devices : {&record.inside, &record.outside})
        for (const store::NetworkDevice& device : *devices) features.insert("network " + device.kind);
}

bool has_seccomp_filter(pid_t pid) {
    return sys::read_file_if_exists(fmt::format("/proc/{}/status", pid)).value_or("").find("\nSeccomp:\t2") !=
           std::string::npos;
}

}  // namespace

std::set<std::string> kernel_features(const Examination& found) {
    std::set<std::string> features;
    for (const proc::Stat& task : found.seen.tasks) {
        add_files(task.id.pid, features);
        add_namespaces(task.id.pid, features);
        if (has_seccomp_filter(task.id.pid)) features.insert("seccomp");
    }
    const pid_t root = found.described.init.pid;
    // The host's own mounts are the host's business.
    if (proc::namespace_inode(root, "mnt") != proc::namespace_inode(::getpid(), "mnt"))
        for (const proc::Mount& mount : proc::mounts(root)) features.insert("mount " + mount.type);
    add_cgroups(root, features);
    add_network(found.described.lasting_network, features);
    for (const Option& option : found.options)
        if (option.key == "network-lock" && option.value == "nftables") features.insert("lock nftables");
    return features;
}

std::vector<LackingOption> lacking_options(const std::set<std::string>& features, const KernelConfig& kernel) {
    std::vector<LackingOption> lacking;
    if (!kernel.known()) return lacking;
    for (const Need& need : kNeeds) {
        const std::string feature = need.feature;
        // Part of MEMCG until 6.11 made an option of its own of it.
        if (feature == "cgroup v1 memory" && criu::release_of(kernel.release) < std::pair(6, 11)) continue;
        if ((feature.empty() || features.contains(feature)) && !kernel.has(need.option))
            lacking.push_back({std::string("CONFIG_") + need.option, need.purpose});
    }
    return lacking;
}

bool has_glibc(const Examination& found) {
    return std::any_of(found.seen.tasks.begin(), found.seen.tasks.end(), [](const proc::Stat& task) {
        const std::vector<proc::FileMapping> mappings = proc::file_mappings(task.id.pid);
        return std::any_of(mappings.begin(), mappings.end(), [](const proc::FileMapping& mapping) {
            return mapping.path.find("/libc.so.6") != std::string::npos ||
                   mapping.path.find("/libc-2.") != std::string::npos;
        });
    });
}

}  // namespace stasis::ops
