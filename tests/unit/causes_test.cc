// The table of causes, fed with what CRIU logs.
#include "lib/criu/causes.h"

#include <set>

#include "lib/criu/log.h"
#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis::criu {
namespace {

using test::contains;
using test::TempDir;

struct Example {
    const char* line;
    const char* meaning;  ///< how the meaning of the cause that must be found begins
};

/// One for each cause, in the order of the table. Lines from logs of CRIU 4.2.1 and from reports to
/// CRIU, podman and runc where there was one; the others are CRIU 4.2's own formats with values filled in
/// (what stands as line number is of no importance).
const Example kExamples[] = {
    {"(00.050042) Error (criu/sk-netlink.c:77): netlink: The socket has data to read",
     "a netlink socket holds messages that its process has not"},
    {"(00.021311) Error (criu/sk-netlink.c:134): netlink: The netlink socket 0x9a2f has more than 32 groups",
     "a netlink socket listens to more groups than CRIU can keep"},
    {"(00.031872) Error (criu/sk-inet.c:137): inet: Unsupported proto 262 for socket 42edc3",
     "a socket speaks Multipath TCP, which CRIU can't keep"},
    {"(00.031872) Error (criu/sk-inet.c:137): inet: Unsupported proto 132 for socket 1c2d",
     "a socket speaks a protocol that CRIU can't keep (132 is"},
    {"(00.018211) Error (criu/sk-inet.c:153): inet: Can't dump corked dgram socket 1f0a",
     "a UDP socket was in the middle of putting a packet together"},
    {"(00.026112) Error (criu/sk-inet.c:185): inet: In-flight connection (l) for 58b6a",
     "a TCP connection was just being made"},
    {"(00.010000) Error (criu/sk-inet.c:188): inet: Connected TCP socket, consider using --tcp-established option.",
     "a TCP connection is open, and CRIU was not told to keep it"},
    {"(00.010000) Error (criu/sk-inet.c:208): inet: Unknown inet socket 58b6a state 4",
     "a TCP connection was in a state that CRIU can't keep"},
    {"(00.041219) Error (criu/sockets.c:640): sockets: Can't get 1:16 opt: Operation not supported",
     "this CRIU is too old for this kernel, on which it can't"},
    {"(00.041219) Error (soccr/soccr.c:144): Can't turn TCP repair mode ON: Operation not permitted",
     "the kernel does not let CRIU take TCP connections apart"},
    {"(00.041219) Error (criu/sk-tcp.c:147): tcp: libsoccr_save() failed with -1",
     "the state of a TCP connection could not be read"},
    {"(00.026551) Error (criu/sk-unix.c:881): unix: Can't dump half of stream unix connection. name: (null); peer "
     "name: /run/dbus/system_bus_socket",
     "a Unix stream socket is connected to a process outside the"},
    {"(00.039560) Error (criu/sk-unix.c:874): unix: External socket is used. Consider using --ext-unix-sk option.",
     "a Unix socket is connected to a process outside the target"},
    {"(00.026551) Error (criu/sk-unix.c:888): unix: Can't dump name-less external socket.",
     "a Unix socket is connected to one outside the target that"},
    {"(00.026551) Error (criu/sk-unix.c:506): unix: Non-empty write queue on an in-flight socket 0x2b11",
     "a connection to a Unix socket was made or given up while"},
    {"(00.026551) Error (criu/sk-unix.c:494): unix: In-flight connection on non-listening socket 11025",
     "a connection to a Unix socket was just being made"},
    {"(00.039517) Error (criu/sockets.c:767): sockets: BUG! Unknown socket collected (family 40)",
     "a socket is of a family that CRIU can't keep (38 is the"},
    {"(00.002114) Error (criu/sockets.c:216): sockets: Diag module missing (-2)",
     "the kernel can't list the sockets of one family"},
    {"(00.033114) Error (criu/sk-queue.c:144): skqueue: Control messages in queue, not supported",
     "a message with descriptors or credentials waits in a socket"},
    {"(00.042381) Error (criu/tun.c:306): tun: Net namespace is required to dump tun link",
     "a process uses a tun or tap device of the host's network"},
    {"(00.061120) Error (criu/files-reg.c:1031): Can't dump ghost file /dev/shm/.org.chromium (deleted) of 2097152 "
     "size, increase limit",
     "a deleted file that is still open is larger than CRIU was"},
    {"(00.049003) Error (criu/files-ext.c:94): Can't dump file 7 of that type [600] (anon anon_inode:[io_uring])",
     "a process uses io_uring, which CRIU can't keep"},
    {"pie: 28406: Error (criu/pie/parasite.c:588): send_fds failed (-22)",
     "a process holds a descriptor that can't be handed over, as"},
    {"(00.040435) Error (criu/files-ext.c:94): Can't dump file 4 of that type [600] (anon anon_inode:bpf-prog)",
     "a process holds a BPF program or map that CRIU can't keep"},
    {"Error (criu/files-ext.c:94): Can't dump file 17 of that type [20666] (chr 195:255)",
     "a process uses an NVIDIA GPU"},
    {"Error (criu/proc_parse.c:118): handle_device_vma plugin failed: No such file or directory",
     "a process has mapped the memory of a device, as programs on"},
    {"(00.049295) Error (criu/files-ext.c:94): Can't dump file 4 of that type [20600] (chr 10:229)",
     "a process serves a FUSE file system"},
    {"(00.051874) Error (criu/files-ext.c:94): Can't dump file 4 of that type [600] (anon anon_inode:[userfaultfd])",
     "a process holds a file of a kind that CRIU can't keep; the"},
    {"(00.038703) Error (criu/files-reg.c:1790): Can't lookup mount=18 for fd=4 path=/memfd:x (deleted)",
     "a process holds a memfd on huge pages, which CRIU does not"},
    {"(00.031495) Error (criu/files-reg.c:1790): Can't lookup mount=43 for fd=4 path=/",
     "a file is open on a mount that is not to be seen from the"},
    {"(00.031495) Error (criu/files-reg.c:1796): Open files on overmounted mounts are not supported yet; mount=44 fd=3 "
     "path=/data/log",
     "a file is open on a mount over which another one lies"},
    {"(00.007211) Error (criu/file-lock.c:110): Some file locks are hold by dumping tasks! You can try --file-locks to "
     "dump them.",
     "a process holds a file lock, and CRIU was not told to keep"},
    {"(00.007211) Error (criu/file-lock.c:102): Unresolved lock found pid 4242 ino 1311",
     "a process holds a file lock that belongs to one outside the"},
    {"(00.103341) Error (criu/fsnotify.c:284): fsnotify: \tCan't dump that handle",
     "a process watches a file (inotify, fanotify) to which CRIU"},
    {"(00.039631) Error (criu/pidfd.c:97): pidfd: pidfd pid 1 is not a part of process tree..",
     "a process holds a pidfd of one outside the target"},
    {"(00.047254) Error (criu/namespaces.c:532): No NS ID with kid 4026532462",
     "a process holds open a namespace that is outside the target"},
    {"(00.052221) Error (criu/eventpoll.c:322): epoll: Escaped/closed fd descriptor 11 on pid 4242",
     "an epoll watches a descriptor that its process has closed"},
    {"(00.052221) Error (criu/tty.c:1830): tty: Found dangling tty with sid 4242 pgid 4250 (pts) on peer fd 0.",
     "a process hangs on a terminal from outside the target, as"},
    {"Error (criu/tty.c:2306): tty: Unable to find a master for /3",
     "the other end of a terminal is outside the target"},
    {"(00.003311) Error (criu/pstree.c:304): The root process 4242 is not a session leader. Consider using --shell-job "
     "option",
     "the target belongs to a session that another process leads"},
    {"(00.028112) Error (criu/cr-dump.c:1681): A session leader of 4242(31) is outside of its pid namespace",
     "a process belongs to a session that is led from outside, as"},
    {"(00.028112) Error (criu/autofs.c:230): Process 4242 autofs pipe fd 8 is not empty.",
     "an automount was just going on"},
    {"(00.028112) Error (criu/autofs.c:507): Autofs 131 is alive, but unreachable.",
     "an automount in the target has lost the process that serves"},
    {"(00.028112) Error (criu/filesystems.c:109): binfmt_misc: can't open python3.11: Permission denied",
     "the formats of programs that the target has registered"},
    {"(00.028112) Error (criu/filesystems.c:552): /mnt/remote is a fuse mount but not external",
     "a FUSE file system is mounted in the target"},
    {"(00.032295) Error (criu/proc_parse.c:502): Unknown shit 100600 (/secretmem (deleted))",
     "a process uses secret memory (memfd_secret), which nobody"},
    {"(00.032295) Error (criu/proc_parse.c:614): PID 4242 has uprobes vma. Consider using --allow-uprobes.",
     "someone traces a program of the target by uprobes"},
    {"(00.032295) Error (criu/proc_parse.c:760): Unsupported mapping found 00007f2a10000000-00007f2a10001000",
     "a process has mapped something that CRIU can't keep"},
    {"Error (criu/proc_parse.c:672): Can't handle non-regular mapping on 2919696's map 7fc08d672000",
     "a process has mapped a device or a file of another kind"},
    {"(00.034143) Error (criu/cr-dump.c:478): Task 30762 with SysVIPC shmem map @7ff3eb06b000 doesn't live in IPC ns",
     "a process uses System V shared memory of the host"},
    {"(00.034143) Error (compel/src/lib/infect.c:1702): unsupported RSEQ ABI version = 1",
     "this CRIU is too old for this kernel's restartable sequences"},
    {"(00.034143) Error (criu/cr-dump.c:227): 4242 has rseq but kernel lacks get_rseq_conf feature",
     "the kernel does not tell CRIU of restartable sequences,"},
    {"(00.011875) Error (compel/arch/x86/src/lib/infect.c:401): Can't set FPU registers for 463985: Bad address",
     "this CRIU has no room for all the registers of this"},
    {"(00.011875) Error (compel/arch/x86/src/lib/infect.c:611): Can't dump task 4242 running in 32-bit mode",
     "a process is a 32-bit program, which this CRIU can't keep"},
    {"(00.021875) Error (criu/cr-dump.c:388): Can't get rlimit 0: Operation not permitted",
     "CRIU may not read the limits of a process of another user"},
    {"(00.101208) Error (compel/src/lib/ptrace.c:27): suspending seccomp failed: Operation not permitted",
     "CRIU may not suspend a process's seccomp filter"},
    {"(00.037261) Error (criu/namespaces.c:460): Can't dump nested uts namespace for 29783",
     "a process inside the target has a namespace of its own, of"},
    {"(00.037750) Error (criu/namespaces.c:997): One or more namespaces doesn't belong to the target user namespace",
     "a namespace of the target belongs to another user namespace"},
    {"(00.037750) Error (criu/namespaces.c:1117): Can't dump a pid namespace without the process init",
     "the tree is in a pid namespace whose first process is not"},
    {"(00.003750) Error (compel/src/lib/infect.c:228): The criu itself is within dumped tree.",
     "stasis was started from within the target"},
    {"(00.013750) Error (criu/mount.c:753): mnt: 77:./proc/driver doesn't have a proper root mount",
     "something is mounted in the target that lies outside of it"},
    {"Error (criu/mount.c:1092): mnt: Mount 7894 ./proc/driver/nvidia/gpus/0000:ab:00.0 (master_id: 26 shared_id: 0) "
     "has unreachable sharing. Try --enable-external-masters.",
     "a mount of the target passes events to one outside of it"},
    {"(00.013750) Error (criu/mount.c:724): mnt: FS mnt ./sys/kernel/config dev 0x22 root / unsupported id 91",
     "a file system of a kind that CRIU can't keep is mounted in"},
    {"(00.013750) Error (criu/filesystems.c:663): failed to dump fs ./sys/kernel/security (securityfs): always fail",
     "a file system of a kind that CRIU can't keep is mounted in"},
    {"(00.013750) Error (criu/mount.c:3876): mnt: The root task has another root than mntns: /srv/jail",
     "the target's first process has changed its root folder"},
    {"(00.051668) Error (compel/src/lib/infect.c:633): Unable to connect a transport socket: Permission denied",
     "AppArmor or SELinux forbids the connection between CRIU and"},
    {"(00.022893) Error (criu/lsm.c:37): err scanfing: Invalid argument",
     "this CRIU can't read the AppArmor profile on this kernel"},
    {"Error (criu/util.c:626): execvp(\"iptables-restore\", ...) failed: No such file or directory",
     "CRIU locks the network with iptables, which is missing"},
    {"(00.022893) Error (criu/net.c:3332): net: Locking network failed: iptables-restore returned 1. This may be "
     "connected to disabled CONFIG_NETFILTER_XT_MARK kernel build config option.",
     "the kernel refused the iptables rules that lock the network"},
    {"Error (criu/netfilter.c:90): Iptables configuration failed",
     "the iptables rules that lock a connection could not be set"},
    {"(00.022893) Error (criu/net.c:3308): net: Locking network failed using nftables",
     "the kernel refused the nftables rules that lock the network"},
    {"(00.022893) Error (criu/netfilter.c:282): CRIU was built without libnftables support",
     "this CRIU knows no nftables"},
    {"(00.061227)     29: Error (criu/files-reg.c:1748): File tmp/openair.msc.4.log has bad size 252 (expect 253)",
     "a file is not as it was at the dump: its size differs"},
    {"(00.061227)     29: Error (criu/files-reg.c:2153): File usr/lib/libssl.so.3 has bad build-ID",
     "a program or library is not the one of the dump, as after"},
    {"(00.061227)     29: Error (criu/files-reg.c:2294): File etc/secret has bad mode 0100644 (expect 0100600)",
     "a file is not as it was at the dump: its permissions differ"},
    {"(00.061227)     29: Error (criu/files-reg.c:2267): Can't open file var/log/app.log: No such file or directory",
     "a file that was open at the dump is missing"},
    {"     1: Error (criu/files-reg.c:1189): Can't link dev/null.cr.1.ghost -> dev/null: File exists",
     "a deleted file must come back for a moment, and its name is"},
    {"(00.206999)    198: Error (criu/sk-inet.c:1059): inet: Can't bind inet socket (id 18): Cannot assign requested "
     "address",
     "an address that a kept socket is bound to is not on this"},
    {"(00.206999)    198: Error (soccr/soccr.c:560): Can't bind inet socket back: Address already in use",
     "a port that the target listens on or connects from is taken"},
    {"Error (criu/sk-inet.c:759): Can't connect inet socket back: Cannot assign requested address",
     "a TCP connection can't be opened again: address or route is"},
    {"(00.206999)    198: Error (criu/sk-inet.c:1030): inet: couldn't find ifindex for eth0",
     "a socket is bound to a network device that is missing"},
    {"(00.206999)    198: Error (criu/tty.c:1010): tty: Don't have tty to inherit session from, aborting",
     "the target was dumped with a terminal, and there is none now"},
    {"Error (criu/cr-restore.c:1514): Can't fork for 2158017: File exists",
     "a pid that the target must get back is taken"},
    {"(00.023111)   4242: Error (criu/cr-restore.c:1539): Pid 4301 do not match expected 4242",
     "a pid that the target must get back is taken"},
    {"pie: 4242: Error (criu/pie/restorer.c:2188): Unable to create a thread: -17",
     "a thread id that the target must get back is taken"},
    {"(00.001121) Error (criu/pstree.c:386): Current sid 4242 intersects with pid (4242) in images",
     "the session or group that stasis runs in has a number that"},
    {"(00.001121) Error (criu/cr-restore.c:2035): This process tree can only be restored in a new pid namespace.",
     "the target had a pid namespace of its own and must get one"},
    {"(00.001121) Error (criu/arch/x86/cpu.c:223): cpu: CPU instruction capabilities do not match run time",
     "this processor lacks instructions that the one of the dump"},
    {"(00.001121) Error (criu/arch/x86/cpu.c:297): cpu: CPU capabilities do not match run time",
     "this processor differs from the one of the dump"},
    {"(00.001121) Error (criu/arch/x86/cpu.c:247): cpu: FPU feature required by image is not supported on host (fpu:1 "
     "fxsr:1 osxsave:0 xsaves:0)",
     "this processor lacks floating point features that the one"},
    {"(00.001121) Error (criu/arch/x86/cpu.c:262): cpu: CPU xfeatures has unsupported bits (0xe0)",
     "this processor lacks registers that the one of the dump had"},
    {"(00.001121) Error (criu/arch/x86/cpu.c:274): cpu: CPU xsave size mismatch (2696/832)",
     "this processor saves its registers in another size than the"},
    {"(00.041121) Error (criu/arch/x86/crtools.c:395): x86: FPU xsave area present, but host cpu doesn't support it",
     "this processor lacks registers that the one of the dump had"},
    {"(00.013005) Error (criu/cr-restore.c:1003): Core march mismatch 2",
     "the checkpoint is of another kind of processor"},
    {"(00.041121)   4242: Error (criu/cr-restore.c:2636): rseq: can't restore as kernel doesn't support it",
     "the target uses restartable sequences, which this kernel"},
    {"pie: 4242: Error (criu/pie/restorer.c:514): failed sys_rseq(7f12, 20, 0, 53053053) = -22",
     "the kernel refused restartable sequences as the target had"},
    {"pie: 4242: Error (criu/pie/parasite-vdso.c:309): vDSO isn't provided by kernel, but exists in images",
     "the target used the vDSO, and this kernel has none"},
    {"Error (criu/vdso.c:401): vdso: Unexpected rt vDSO area bounds", "this CRIU is too old for this kernel's vDSO"},
    {"pie: 4242: Error (criu/pie/parasite-vdso.c:257): Failed to proxify dumpee contents",
     "the vDSO of the dump does not fit to the one of this kernel"},
    {"(00.241528) pie: 6: Error (criu/pie/restorer.c:180): can't write lsm profile -13",
     "the AppArmor profile or SELinux label of the target can't"},
    {"(14.068759) 47748: Error (criu/lsm.c:279): mismatched lsm types and lsm profile specified",
     "the target ran under another security module (AppArmor,"},
    {"(00.041121)      1: Error (criu/mount.c:3141): mnt: No mapping for 131:./data mountpoint",
     "a mount that came from outside at the dump is not given back"},
    {"(00.041121) Error (criu/cgroup.c:1472): cg: Failed writing 12 to cpuset/web1/tasks: No space left on device",
     "a cpuset of the target is empty here"},
    {"(00.041121) Error (criu/cgroup.c:1140): cg: Can't move 17 into cpu/web1/tasks (-1/-1): No such file or directory",
     "a process can't be put into its cgroup"},
    {"(00.041121) Error (criu/cgroup.c:1805): cg: Can't make cgroup dir memory/web1: Read-only file system",
     "a cgroup of the target can't be made"},
    {"(00.041121) Error (criu/cgroup.c:1472): cg: Failed writing 104857600 to memory/web1/memory.limit_in_bytes: "
     "Device or resource busy",
     "a limit of the target's cgroup can't be set here"},
    {"(00.041121)      1: Error (criu/timens.c:80): Unable to create a new time namespace: Invalid argument",
     "this kernel has no time namespaces"},
    {"(00.041121)      1: Error (criu/timens.c:101): Unable to set a monotonic clock offset: Operation not permitted",
     "the target's clocks can't be set"},
    {"(00.041121)   4242: Error (criu/memfd.c:279): Can't create memfd:cache: Cannot allocate memory",
     "a memfd of the target can't be made, often for want of huge"},
    {"(00.018574) pie: 828449: Error (criu/pie/restorer.c:1518): Can't restore 0x7f1164021000 mapping with "
     "0xfffffffffffffff4",
     "there is not enough memory for what the target had mapped"},
    {"pie: 4242: Error (criu/pie/restorer.c:347): Unable to restore capabilities: -1",
     "stasis has fewer capabilities than the target had"},
    {"pie: 4242: Error (criu/pie/restorer.c:2083): sys_prctl(PR_SET_MM, PR_SET_MM_MAP) failed with -1",
     "the kernel does not let CRIU set up the target's memory"},
    {"(00.041121)   4242: Error (criu/cr-restore.c:592): Write -500 to /proc/self/oom_score_adj failed: Permission "
     "denied",
     "the target's protection from running out of memory can't be"},
    {"pie: 4242: Error (criu/pie/restorer.c:546): seccomp: SECCOMP_SET_MODE_FILTER returned -13 on tid 4242",
     "a process's seccomp filter can't be set"},
    {"(00.001121) Error (criu/image.c:563): Magic doesn't match for pstree.img",
     "a file of the checkpoint is damaged or not of this version"},
    {"(00.001121) Error (criu/image.c:89): Not supported images version 3",
     "the checkpoint was made by another version of CRIU"},
    {"(00.001121) Error (criu/image.c:635): Unable to open timens-0.img: Permission denied",
     "the root of a user namespace may not read the checkpoint"},
    {"(00.001121) Error (criu/image.c:635): Unable to open core-17.img: No such file or directory",
     "a file of the checkpoint is missing"},
    {"(00.001121) Error (criu/kerndat.c:1350): Lazy pages are not available",
     "this kernel can't load memory behind a running process"},
    {"(00.301121) Error (criu/image.c:845): Can't write img file: No space left on device", "a file system is full"},
    {"(10.000432) Error (criu/seize.c:635): Unable to freeze cgroup /sys/fs/cgroup/freezer/web1 (100 x 100ms attempts, "
     "timeout: 10s)",
     "the target's cgroup did not freeze in time"},
    {"(10.034680) Error (compel/src/lib/infect.c:262): Unseizable non-zombie 29461 found, state D, err -1/4",
     "a process waits in the kernel (state D) and can't be"},
    {"(03.010568) Warn  (compel/src/lib/infect.c:126): Unable to interrupt task: 31447 (Operation not permitted)",
     "a process can't be stopped, mostly because another program"},
    {"(00.034680) Error (compel/src/lib/infect.c:262): Unseizable non-zombie 29461 found, state S, err -1/1",
     "a process can't be stopped"},
    {"(03.010594) Error (criu/seize.c:275): zombie found while seizing", "a process was just ending"},
    {"(00.034680) Error (compel/src/lib/infect.c:301): Task pid reused while suspending (4242: 17 -> 18)",
     "a process ended, and another one got its pid, while CRIU"},
    {"(00.034680) Error (criu/seize.c:882): Zombies with threads are not supported",
     "the main thread of a process has ended while others go on"},
    {"(10.027693) Error (criu/cr-dump.c:1467): Timeout reached. Try to interrupt: 0",
     "the target did not stand still in time"},
    {"(00.034680)      1: Error (criu/cr-restore.c:948): Child 17 died too early",
     "a process of the target ended while it was being restored"},
    {"Error (criu/cr-restore.c:1479): 45859 killed by signal 9: Killed",
     "a process was killed while it was being restored, maybe for"},
};

std::string dump_log(const std::string& lines) {
    return "(00.000010) CRIU run id = 1234\n"
           "(00.000020) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n"
           "(00.000030) sockets: just a message\n" +
           lines + "(00.010003) Error (criu/cr-dump.c:2098): Dumping FAILED.\n";
}

TEST_CASE("each cause is found by what CRIU logs, and none is without an example") {
    std::set<const Cause*> found;
    for (const Example& example : kExamples) {
        INFO(example.line);
        const Diagnosis diagnosis = diagnose(dump_log(std::string(example.line) + "\n"));
        REQUIRE(diagnosis.cause != nullptr);
        REQUIRE(std::string(diagnosis.cause->meaning).starts_with(example.meaning));
        REQUIRE(diagnosis.lines == std::vector<std::string>{example.line});
        found.insert(diagnosis.cause);
    }
    for (const Cause& cause : causes()) {
        INFO(cause.texts[0] << " " << cause.texts[1]);
        REQUIRE(found.count(&cause) == 1);
    }
}

TEST_CASE("each cause is told in clauses that stand behind a colon") {
    for (const Cause& cause : causes()) {
        INFO(cause.texts[0]);
        for (const std::string_view text : {cause.meaning, cause.remedy}) {
            REQUIRE_FALSE(text.empty());
            REQUIRE(text.back() != '.');
            REQUIRE(text.size() <= 115);  // one line, with the word before it
        }
    }
}

TEST_CASE("other words for a cause: older versions of CRIU, and other places") {
    const auto meaning = [](const std::string& line) { return std::string(diagnose(line + "\n").cause->meaning); };
    REQUIRE(
        contains(meaning("(00.1) Error (criu/seize.c:335): zombie 9 (comm sh) found while seizing"), "just ending"));
    REQUIRE(contains(meaning("(00.1) Error (criu/util.c:626): execvp(\"ip6tables-restore\", ...) failed: No such file"),
                     "missing"));
    REQUIRE(contains(
        meaning("(00.1) 1: Error (soccr/soccr.c:560): Can't bind inet socket back: Cannot assign requested address"),
        "an address"));
    REQUIRE(contains(
        meaning("(00.1) Error (criu/mount-v2.c:197): mnt-v2: Sharing group (1, 2) has unreachable sharing. Try "
                "--enable-external-masters."),
        "passes events"));
    REQUIRE(contains(meaning("(00.1) Error (criu/image.c:554): Head magic doesn't match for core-1.img"), "damaged"));
    REQUIRE(contains(meaning("(00.1) pie: 7: Error (criu/pie/restorer.c:1883): Can't restore 7f1164021000 mapping with "
                             "fffffffffffffff4"),
                     "not enough memory"));
}

TEST_CASE("a cause wins over its consequences, wherever it stands") {
    const std::string timeout = "(10.034511) Error (criu/cr-dump.c:1655): Timeout reached. Try to interrupt: 0\n";
    const std::string sleeper =
        "(10.034680) Error (compel/src/lib/infect.c:262): Unseizable non-zombie 29461 found, state D, err -1/4\n";
    for (const std::string& lines : {timeout + sleeper, sleeper + timeout}) {
        const Diagnosis found = diagnose(dump_log(lines));
        REQUIRE(contains(std::string(found.cause->meaning), "state D"));
        REQUIRE(found.cause->transient);
        REQUIRE(found.lines == std::vector<std::string>{sleeper.substr(0, sleeper.size() - 1)});
    }
    const Diagnosis restore = diagnose(
        "(00.06) 29: Error (criu/files-reg.c:1748): File tmp/a.log has bad size 252 (expect 253)\n"
        "(00.06) 29: Error (criu/files.c:1196): Unable to open fd=30 id=0x4a\n"
        "(00.07) Error (criu/cr-restore.c:1479): 29 killed by signal 9: Killed\n"
        "(00.08) Error (criu/cr-restore.c:2397): Restoring FAILED.\n");
    REQUIRE(contains(std::string(restore.cause->meaning), "size differs"));
    REQUIRE(restore.lines.size() == 1);
}

TEST_CASE("only errors and warnings tell of a cause, and harmless ones tell of none") {
    REQUIRE(diagnose("(00.1) netlink: The socket has data to read\n").cause == nullptr);
    const Diagnosis nothing = diagnose(dump_log(""));
    REQUIRE(nothing.cause == nullptr);
    REQUIRE(nothing.lines.empty());
    REQUIRE(diagnose("(00.1) Error (criu/cr-restore.c:2331): Restoring FAILED.\n").lines.empty());
    REQUIRE(diagnose("").lines.empty());
}

TEST_CASE("a log without a known cause is quoted by its latest errors") {
    const Diagnosis found =
        diagnose(dump_log("(00.01) Warn  (criu/x.c:2): something\n"
                          "(00.01) no Error here\n"
                          "(00.02) Error (criu/x.c:1): nobody knows\n"));
    REQUIRE(found.cause == nullptr);
    REQUIRE(found.lines == std::vector<std::string>{"(00.02) Error (criu/x.c:1): nobody knows"});
    std::string many;
    for (int i = 0; i < 20; ++i) many += "Error (x.c:1): number " + std::to_string(i) + "\n";
    REQUIRE(diagnose(many).lines.size() == 6);
    REQUIRE(diagnose(many).lines.front() == "Error (x.c:1): number 14");
    REQUIRE(diagnose(many + "Error (x.c:1): cut off", 1).lines == std::vector<std::string>{"Error (x.c:1): cut off"});
}

TEST_CASE("a cause that is told of often is quoted a few times, the first ones") {
    std::string many;
    for (int i = 0; i < 20; ++i) many += "Error (x.c:1): File " + std::to_string(i) + " has bad size 1 (expect 2)\n";
    const Diagnosis found = diagnose(many);
    REQUIRE(found.lines.size() == 6);
    REQUIRE(contains(found.lines.front(), "File 0 "));
}

TEST_CASE("an error carries what the log says") {
    const TempDir temp;
    const auto explained = [&](const std::string& log) {
        test::write(temp / "log", log);
        Error error(Kind::failed, "it failed");
        explain(error, temp / "log");
        return error;
    };
    const Error known = explained(dump_log("Error (criu/sk-netlink.c:77): netlink: The socket has data to read\n"));
    REQUIRE(contains(known.cause(), "netlink socket"));
    REQUIRE(contains(known.hint(), "try again"));
    REQUIRE(known.transient());
    REQUIRE(known.details().size() == 1);
    const Error unknown = explained(dump_log("Error (criu/x.c:1): nobody knows\n"));
    REQUIRE(unknown.cause() == "none that stasis knows");
    REQUIRE(contains(unknown.hint(), "stasis bug-report TARGET"));
    REQUIRE_FALSE(unknown.transient());

    Error hinted(Kind::failed, "it failed");
    explain(hinted.hint("ours").details({"printed"}), temp / "none");
    REQUIRE(hinted.cause().empty());
    REQUIRE(hinted.details() == std::vector<std::string>{"printed"});
    test::write(temp / "log", "");
    explain(hinted, temp / "log");
    REQUIRE(hinted.hint() == "ours");
    REQUIRE(hinted.details() == std::vector<std::string>{"printed"});
}

}  // namespace
}  // namespace stasis::criu
