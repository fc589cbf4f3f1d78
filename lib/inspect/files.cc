#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/inspect/blockers.h"
#include "lib/inspect/units.h"
#include "lib/proc/cgroups.h"

namespace stasis::inspect {
namespace {

/// Something that a program can hold and CRIU has no image for.
struct Unsupported {
    std::string_view mark;  ///< how the name of the descriptor begins
    const char* id;
    const char* what;
    const char* remedy;
};

/// Anonymous inodes; what is neither here nor in kSupportedAnonymous is refused in general words.
constexpr std::array<Unsupported, 13> kAnonymous{{
    {"anon_inode:[io_uring]", "io_uring", "an io_uring",
     "switch io_uring off in the program, or for the host with `sysctl kernel.io_uring_disabled=2`, and restart it"},
    {"anon_inode:[userfaultfd]", "userfaultfd", "a userfaultfd (memory that a program pages in by itself)",
     "switch off what uses it, such as a garbage collector's userfault mode or post-copy migration"},
    {"anon_inode:[perf_event]", "perf", "a performance counter", "end the profiler (perf, a tracing agent)"},
    {"anon_inode:bpf-prog", "bpf", "a program of BPF", "end what has loaded it; start that again after the restore"},
    {"anon_inode:bpf-", "bpf", "an object of BPF", "end the BPF program; start it again after the restore"},
    {"anon_inode:bpf_", "bpf", "an object of BPF", "end the BPF program; start it again after the restore"},
    {"anon_inode:kvm-", "kvm", "a virtual machine of KVM", "save the guest with its own hypervisor's means"},
    {"anon_inode:[landlock-ruleset]", "landlock", "a ruleset of Landlock", "close it after landlock_restrict_self()"},
    {"anon_inode:[fscontext]", "mount-api", "a half-made mount (fsopen)", "wait until it is mounted"},
    {"anon_inode:seccomp notify", "seccomp-notify", "a seccomp supervisor's descriptor",
     "run the container without a seccomp notify agent"},
    {"anon_inode:dmabuf", "gpu", "a buffer shared with a device (dma-buf)", "stop the work on the GPU first"},
    {"anon_inode:sync_file", "gpu", "a fence of a GPU", "stop the work on the GPU first"},
    {"anon_inode:[vfio", "device", "a device passed through (VFIO)", "give the device back first"},
}};

/// What to do about programs of BPF that systemd holds for its units.
constexpr const char* kStartAgain = "start the target again: systemd keeps the program until then";

/// Those with an image (criu/files.c, dump_one_file).
constexpr std::array<std::string_view, 7> kSupportedAnonymous{
    "anon_inode:[eventfd]",  "anon_inode:[eventpoll]", "anon_inode:inotify", "anon_inode:[fanotify]",
    "anon_inode:[signalfd]", "anon_inode:[timerfd]",   "anon_inode:[pidfd]"};

/// Devices by their node's name.
constexpr std::array<Unsupported, 10> kDevices{{
    {"/dev/nvidia", "gpu", "an NVIDIA GPU",
     "stop the work on the GPU first; CRIU's CUDA plugin (cuda_plugin.so) with driver 570 or newer can save it, which "
     "stasis does not use yet"},
    {"/dev/kfd", "gpu", "an AMD GPU",
     "stop the work on the GPU first; CRIU's amdgpu plugin can save it, which stasis does not use yet"},
    {"/dev/dri", "gpu", "a GPU", "stop the work on the GPU first"},
    {"/dev/kvm", "kvm", "KVM", "save the guest with its own hypervisor's means"},
    {"/dev/fuse", "fuse", "the serving end of a FUSE file system",
     "unmount what the process serves, and mount it again after the restore"},
    {"/dev/vhost", "device", "a vhost device", "end the virtual machine first"},
    {"/dev/vfio", "device", "a device passed through (VFIO)", "give the device back first"},
    {"/dev/snd", "device", "a sound device", "end the program that plays or records"},
    {"/dev/input", "device", "an input device", "close it; the program opens it again after the restore"},
    {"/dev/loop", "device", "a loop device", "detach the loop device (`losetup -d`)"},
}};

constexpr unsigned kMemoryMajor = 1;  // null, zero, full, random, kmsg
constexpr unsigned kVirtualTerminalMajor = 4;
constexpr unsigned kTerminalMajor = 5;  // tty, console, ptmx
constexpr unsigned kMiscMajor = 10;
constexpr unsigned kTunMinor = 200;
constexpr unsigned kAutofsMinor = 235;
constexpr unsigned kFirstPtyMajor = 136;
constexpr unsigned kLastPtyMajor = 143;

bool is_supported_character_device(dev_t device) {
    const unsigned number = major(device);
    if (number == kMiscMajor) return minor(device) == kTunMinor || minor(device) == kAutofsMinor;
    return number == kMemoryMajor || number == kVirtualTerminalMajor || number == kTerminalMajor ||
           (number >= kFirstPtyMajor && number <= kLastPtyMajor);
}

template <std::size_t size>
const Unsupported* find_row(const std::array<Unsupported, size>& table, const std::string& name) {
    const auto row =
        std::find_if(table.begin(), table.end(), [&](const Unsupported& r) { return name.starts_with(r.mark); });
    return row == table.end() ? nullptr : &*row;
}

class Files {
  public:
    Files(const Scene& scene, Blockers& found) : scene_(scene), found_(found) {
        for (const Option& option : scene.surroundings.given)
            if (option.key == "external") given_.insert(option.value);
    }

    void look_at(const Task& task) {
        for (const proc::Descriptor& descriptor : task.descriptors) {
            const Place where{task, descriptor};
            if (descriptor.target.starts_with("anon_inode:"))
                anonymous(where, descriptor.target);
            else if (S_ISCHR(descriptor.mode) || S_ISBLK(descriptor.mode))
                device(where, descriptor);
            else if (descriptor.target.starts_with("/memfd:"))
                memory_file(where, fmt::format("/proc/{}/fd/{}", task.pid(), descriptor.number));
            else if (descriptor.is_path())
                path(where, descriptor);
            else
                namespace_file(where, descriptor.target);
            if (descriptor.target == "anon_inode:[pidfd]" || descriptor.target.starts_with("pidfd:"))
                pid_descriptor(where, proc::descriptor_info(task.pid(), descriptor.number));
        }
        for (const proc::FileMapping& mapping : task.mappings) mapped(task, mapping);
    }

  private:
    void refuse(const Unsupported& row, const std::string& where) {
        found_.push_back({row.id, fmt::format("{} is {}, which CRIU can't dump", where, row.what), row.remedy});
    }

    void anonymous(const Place& where, const std::string& name) {
        if (name == "anon_inode:bpf-prog" && program_of_unit(where)) return;
        if (const Unsupported* row = find_row(kAnonymous, name)) return refuse(*row, where.text());
        if (std::find(kSupportedAnonymous.begin(), kSupportedAnonymous.end(), name) != kSupportedAnonymous.end())
            return;
        found_.push_back({"file", fmt::format("{} is '{}', which CRIU can't dump", where.text(), name),
                          "close it in the program, or end the process"});
    }

    /// systemd as the first process holds those of its units: two of a unit are one reason.
    bool program_of_unit(const Place& where) {
        if (&where.task != &scene_.root()) return false;
        if (!programs_) programs_ = unit_programs(where.task.pid());
        const auto info = proc::descriptor_info(where.task.pid(), where.descriptor.number);
        const auto number = info.find("prog_id");
        const auto program = number == info.end() ? programs_->end() : programs_->find(std::stoull(number->second));
        if (program == programs_->end()) return left_over_program(where);
        const auto& [unit, settings, line] = program->second;
        if (named_.insert(unit + settings).second)
            found_.push_back({"bpf",
                              fmt::format("{} holds a program of BPF for {} ({}), which CRIU can't dump",
                                          where.task.text(), unit, settings),
                              drop_in(unit, line, kStartAgain)});
        return true;
    }

    /// One that is attached to no cgroup any more: systemd (252) keeps it when its unit is restarted without the
    /// setting, and when it executes itself again.
    bool left_over_program(const Place& where) {
        if (where.task.stat.command != "systemd" || proc::unified_cgroup_of(where.task.pid()).empty()) return false;
        if (named_.insert("left over").second)
            found_.push_back({"bpf",
                              where.task.text() + " holds programs of BPF that units had before, which CRIU can't dump",
                              kStartAgain});
        return true;
    }

    void device(const Place& where, const proc::Descriptor& descriptor) {
        if (S_ISCHR(descriptor.mode) && is_supported_character_device(descriptor.special)) {
            const bool is_tun = descriptor.special == makedev(kMiscMajor, kTunMinor);
            if (is_tun && scene_.shares("net"))
                found_.push_back({"tun", where.text() + " is a TUN device in the host's network, which CRIU can't dump",
                                  "run the program in a network namespace of its own"});
            return;
        }
        if (const Unsupported* row = find_row(kDevices, descriptor.target)) return refuse(*row, where.text());
        found_.push_back({"device",
                          fmt::format("{} is the device '{}' ({}:{}), which CRIU can't dump", where.text(),
                                      descriptor.target, major(descriptor.special), minor(descriptor.special)),
                          "close it in the program, or end the process; it opens the device again after the restore"});
    }

    /// CRIU finds a file by its mount, which must be one of the task's (criu/files-reg.c, "Can't lookup mount").
    void path(const Place& where, const proc::Descriptor& descriptor) {
        const std::set<int>& mounts = where.task.mounts;
        if (mounts.empty() || mounts.contains(descriptor.mount_id) || descriptor.mount_id == 0) return;
        if (given_.contains(fmt::format("file[{:x}:{:x}]", descriptor.mount_id, descriptor.inode))) return;
        found_.push_back(
            {"mount",
             fmt::format("{} is '{}' on a mount that the process does not see", where.text(), descriptor.target),
             "close it in the program; a file of the host can be passed as standard input, output or error only"});
    }

    /// CRIU learns the device of huge pages by taking one (4.2.1, kerndat_get_hugetlb_dev): there must be some.
    void memory_file(const Place& where, const std::string& link) {
        struct statfs system {};
        if (::statfs(link.c_str(), &system) < 0 || system.f_type != HUGETLBFS_MAGIC) return;
        const std::string pages =
            fmt::format("/sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages", system.f_bsize / 1024);
        if (sys::read_file_if_exists(pages).value_or("") != "0\n") return;
        found_.push_back(
            {"huge-pages",
             where.text() + " is memory of huge pages, of which this host has none; CRIU can't dump it then",
             "set some aside: `echo 2 >" + pages + "`"});
    }

    void namespace_file(const Place& where, const std::string& target) {
        const std::string type = target.substr(0, target.find(':'));
        const auto own = scene_.own_namespaces.find(type);
        if (own == scene_.own_namespaces.end()) return;  // a pipe or a socket
        const std::uint64_t inode = proc::inode_in(target);
        if (own->second == inode) return;
        for (const Task& task : scene_.tasks)
            if (task.namespaces.at(type) == inode) return;
        found_.push_back(
            {"namespace-file",
             fmt::format("{} is the {} namespace {}, in which no process of the target is", where.text(), type, inode),
             "close it in the program, or end the process"});
    }

    void pid_descriptor(const Place& where, const std::map<std::string, std::string>& info) {
        const auto field = info.find("Pid");
        const int pid = field == info.end() ? -1 : std::stoi(field->second);
        if (pid <= 0 || scene_.has_pid(pid)) return;
        found_.push_back({.id = "pidfd",
                          .cause = fmt::format("{} is a pidfd of pid {}, which is outside", where.text(), pid),
                          .remedy = "close it in the program, or dump the tree that holds both",
                          .instance = fmt::format("pidfd {}", pid)});
    }

    void mapped(const Task& task, const proc::FileMapping& mapping) {
        if (const Unsupported* row = find_row(kAnonymous, mapping.path))
            return refuse(*row, task.text() + ", a mapping");
        if (mapping.path.starts_with("/secretmem"))
            found_.push_back({"secret-memory", task.text() + " has secret memory (memfd_secret), which CRIU can't read",
                              "switch secret memory off in the program"});
        if (mapping.path.starts_with("/SYSV") && scene_.shares("ipc"))
            found_.push_back(
                {"ipc", fmt::format("{} has System V shared memory of the host ('{}')", task.text(), mapping.path),
                 "run the program in an IPC namespace of its own (`unshare --ipc`, or a container)"});
    }

    const Scene& scene_;
    Blockers& found_;
    std::set<std::string> given_;
    std::optional<std::map<std::uint64_t, UnitProgram>> programs_;
    std::set<std::string> named_;  ///< units and settings that were refused
};

}  // namespace

void find_in_files(const Scene& scene, Blockers& found) {
    Files files(scene, found);
    for (const Task& task : scene.tasks) files.look_at(task);
}

}  // namespace stasis::inspect
