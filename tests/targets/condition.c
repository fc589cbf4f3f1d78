// A process in one condition that a dump has to deal with, or can't. A helper outside of its tree makes it,
// holds what it shares with the outside, and writes its pid to a file once the condition is there.
// usage: condition NAME PID-FILE [ARGUMENT]; `condition --list` names all. Exit 77: this machine can't make it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_alg.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <linux/userfaultfd.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { kImpossible = 77 };

static const char *argument;  // usually a path in a private folder
static int outside = -1;      // the outside's half of what is shared
static pid_t inside;          // seen by the helper: the process in the condition

static void *need(const void *pointer) {
  if (pointer == MAP_FAILED || pointer == NULL) exit(errno == ENOSYS || errno == EPERM ? kImpossible : 1);
  return (void *)pointer;
}

// Absent from the kernel, or not allowed here: this machine can't do it.
static int must(int result) {
  if (result >= 0) return result;
  perror("condition");
  int absent = errno == ENOSYS || errno == EPERM || errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT ||
               errno == ENODEV || errno == ENOENT || errno == EOPNOTSUPP || errno == ENXIO;
  exit(absent ? kImpossible : 1);
}

static void wait_for_ever(void) {
  for (;;) pause();
}

static void fork_child(void (*then)(void)) {
  int ends[2];
  char byte;
  must(pipe(ends));
  if (must(fork()) == 0) {
    close(ends[0]);
    if (then != NULL) then();
    must(write(ends[1], "", 1));
    close(ends[1]);
    wait_for_ever();
  }
  close(ends[1]);
  if (read(ends[0], &byte, 1) != 1) exit(kImpossible);
  close(ends[0]);
}

// --- what CRIU has no image for ---

static void io_uring(void) {
  struct io_uring_params parameters = {0};
  must((int)syscall(SYS_io_uring_setup, 4, &parameters));
}
static void io_uring_mapped(void) {
  struct io_uring_params parameters = {0};
  int fd = must((int)syscall(SYS_io_uring_setup, 4, &parameters));
  need(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING));
  close(fd);
}
static void userfault(void) { must((int)syscall(SYS_userfaultfd, O_CLOEXEC)); }
static void perf(void) {
  struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_CPU_CLOCK};
  must((int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}
static void bpf_program(void) {
  struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0}, {.code = BPF_JMP | BPF_EXIT}};
  union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uint64_t)code, .insn_cnt = 2, .license = (uint64_t) "GPL"};
  must((int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes));
}
static void kvm(void) { must(open("/dev/kvm", O_RDWR)); }
static void fuse(void) { must(open("/dev/fuse", O_RDWR)); }
static void loop_device(void) { must(open("/dev/loop-control", O_RDWR)); }
static void block_device(void) { must(open("/dev/loop0", O_RDONLY)); }
static void nvidia(void) {
  must(mknod(argument, S_IFCHR | 0600, makedev(195, 255)));
  must(open(argument, O_RDWR));
}
static void landlock(void) {
  struct landlock_ruleset_attr attributes = {.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE};
  must((int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
}
static void secret_memory(void) {
  int fd = must((int)syscall(SYS_memfd_secret, 0));
  must(ftruncate(fd, 4096));
  need(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}
static void fs_context(void) { must(fsopen("tmpfs", 0)); }
static void mount_tree(void) { must(open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE)); }

// --- sockets ---

static void vsock(void) { must(socket(AF_VSOCK, SOCK_STREAM, 0)); }
static void xdp(void) { must(socket(AF_XDP, SOCK_RAW, 0)); }
static void mptcp(void) {
  int fd = must(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
  struct sockaddr_in any = {.sin_family = AF_INET};
  must(bind(fd, (void *)&any, sizeof any));
  must(listen(fd, 1));
}
static void packet_ring(void) {
  int fd = must(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))), version = TPACKET_V3;
  must(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version));
  struct tpacket_req3 ring = {.tp_block_size = 4096, .tp_block_nr = 2, .tp_frame_size = 2048, .tp_frame_nr = 4};
  must(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring));
  need(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}
static void packet(void) { must(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))); }
static void raw(void) { must(socket(AF_INET, SOCK_RAW, IPPROTO_TCP)); }
static void ping(void) {
  int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY);
  if (fd >= 0) (void)!write(fd, "0 0", 3);
  must(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}
static int udp_connected(void) {
  int fd = must(socket(AF_INET, SOCK_DGRAM, 0));
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  must(connect(fd, (void *)&peer, sizeof peer));
  return fd;
}
static void udp(void) { udp_connected(); }
static void udp_corked(void) {
  int fd = udp_connected(), on = 1;
  must(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, sizeof on));
  must((int)send(fd, "corked", 6, 0));
}
static void netlink_queue(void) {
  int fd = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  struct sockaddr_nl own = {.nl_family = AF_NETLINK};
  must(bind(fd, (void *)&own, sizeof own));
  struct {
    struct nlmsghdr header;
    struct rtgenmsg message;
  } request = {{.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
               {.rtgen_family = AF_UNSPEC}};
  must((int)send(fd, &request, request.header.nlmsg_len, 0));
}
static void netlink(void) { must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)); }

static int listening(int port) {
  int fd = must(socket(AF_INET, SOCK_STREAM, 0)), on = 1;
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  must(bind(fd, (void *)&own, sizeof own));
  must(listen(fd, 8));
  return fd;
}
static int connected_to(int listener) {
  struct sockaddr_in there;
  socklen_t size = sizeof there;
  must(getsockname(listener, (void *)&there, &size));
  int fd = must(socket(AF_INET, SOCK_STREAM, 0));
  must(connect(fd, (void *)&there, sizeof there));
  return fd;
}
static void tcp_listen(void) { listening(0); }
static void tcp_both_ends(void) {
  int listener = listening(0);
  connected_to(listener);
  must(accept(listener, NULL, NULL));
}
static void tcp_in_flight(void) { connected_to(listening(0)); }
static void tcp_half_closed(void) {
  int listener = listening(0), client = connected_to(listener);
  must(accept(listener, NULL, NULL));
  must(shutdown(client, SHUT_WR));
}
static void make_tcp_outside(void) { outside = listening(0); }
static void tcp_outside(void) {
  int fd = connected_to(outside);
  close(outside);
  (void)fd;
}

static struct sockaddr_un unix_address(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}
static int unix_bound(int type, const char *path) {
  int fd = must(socket(AF_UNIX, type, 0));
  struct sockaddr_un address = unix_address(path);
  must(bind(fd, (void *)&address, sizeof address));
  return fd;
}
static int unix_connected(int type, const char *path) {
  int fd = must(socket(AF_UNIX, type, 0));
  struct sockaddr_un address = unix_address(path);
  must(connect(fd, (void *)&address, sizeof address));
  return fd;
}
static void unix_pair(void) {
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}
static void make_unix_half(void) {
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  outside = pair[0];
}
static void close_outside(void) { close(outside); }
static void make_unix_outside(void) {
  outside = unix_bound(SOCK_STREAM, argument);
  must(listen(outside, 8));
}
static void unix_outside(void) {
  close(outside);
  unix_connected(SOCK_STREAM, argument);
}
static void accept_outside(void) { must(accept(outside, NULL, NULL)); }
static void unix_in_flight(void) {
  int fd = unix_bound(SOCK_STREAM, argument);
  must(listen(fd, 8));
  unix_connected(SOCK_STREAM, argument);
}
static void unix_dangling(void) {  // the peer is closed, and what it sent is unread
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  must((int)write(pair[0], "x", 1));
  close(pair[0]);
}
static void make_unix_datagram(void) { outside = unix_bound(SOCK_DGRAM, argument); }
static void unix_datagram(void) {
  close(outside);
  unix_connected(SOCK_DGRAM, argument);
}
static void make_unix_datagram_pair(void) {
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  outside = pair[0];
}

// --- the process itself ---

static void make_nothing(void) {}
static void trace_it(void) { must((int)ptrace(PTRACE_SEIZE, inside, 0, 0)); }
static void *go_on_alone(void *nothing) {
  wait_for_ever();
  return nothing;
}
static void leader_gone(void) {
  pthread_t thread;
  if (must(fork()) == 0) {
    must(-pthread_create(&thread, NULL, go_on_alone, NULL));
    pthread_exit(NULL);
  }
  usleep(100000);
}
static void vfork_parent(void) {
  int ends[2];
  char byte;
  must(pipe(ends));
  if (must(fork()) == 0) {
    if (vfork() == 0) {
      (void)!write(ends[1], "", 1);
      for (;;) pause();
    }
    _exit(0);
  }
  if (read(ends[0], &byte, 1) != 1) exit(1);
}
static void zombie(void) {
  if (must(fork()) == 0) _exit(0);
  usleep(100000);
}
static void disk_busy(void) {  // waits for the disk at nearly every look, each time for a moment
  enum { size = 16 << 20 };
  void *block = NULL;
  int fd = must(open(argument, O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600));
  must(-posix_memalign(&block, 4096, size));
  memset(block, 'x', size);
  if (must(fork()) == 0)
    for (;;) must((int)pwrite(fd, block, size, 0) - size);
}
static void stopped(void) {
  int status;
  pid_t child = must(fork());
  if (child == 0) {
    raise(SIGSTOP);
    wait_for_ever();
  }
  must(waitpid(child, &status, WUNTRACED));
}
static void new_uts(void) { must(unshare(CLONE_NEWUTS)); }
static void new_ipc(void) { must(unshare(CLONE_NEWIPC)); }
static void new_net(void) { must(unshare(CLONE_NEWNET)); }
static void new_cgroup(void) { must(unshare(CLONE_NEWCGROUP)); }
static void new_user(void) { must(unshare(CLONE_NEWUSER)); }
static void nested_uts(void) { fork_child(new_uts); }
static void nested_ipc(void) { fork_child(new_ipc); }
static void nested_net(void) { fork_child(new_net); }
static void nested_cgroup(void) { fork_child(new_cgroup); }
static void nested_user(void) { fork_child(new_user); }
static void nested_pid(void) {
  must(unshare(CLONE_NEWPID));
  fork_child(NULL);
}
static void nested_time(void) {
  must(unshare(CLONE_NEWTIME));
  fork_child(NULL);
}

// --- terminals ---

static int terminal(void) {
  int master = must(posix_openpt(O_RDWR | O_NOCTTY));
  must(grantpt(master));
  must(unlockpt(master));
  return master;
}
static void make_terminal(void) { outside = terminal(); }
static void terminal_outside(void) {  // as a shell of the host has it: the leader is inside, the master is not
  int slave = must(open(ptsname(outside), O_RDWR | O_NOCTTY));
  must(ioctl(slave, TIOCSCTTY, 1));
  close(outside);
}
static void terminal_not_controlling(void) {
  must(open(ptsname(outside), O_RDWR | O_NOCTTY));
  close(outside);
}
static void terminal_inside(void) {
  int master = terminal();
  must(open(ptsname(master), O_RDWR | O_NOCTTY));
}
static void terminal_virtual(void) { must(open("/dev/tty1", O_RDWR | O_NOCTTY)); }

// --- files ---

static int file_at(const char *path) { return must(open(path, O_RDWR | O_CREAT, 0600)); }
static void deleted_file(void) {
  int fd = file_at(argument);
  must(ftruncate(fd, 8 << 20));
  for (off_t at = 0; at < 8 << 20; at += 4096) must((int)pwrite(fd, "x", 1, at));
  must(unlink(argument));
}
static void deleted_folder(void) {
  must(mkdir(argument, 0700));
  must(chdir(argument));
  must(rmdir(argument));
}
static void lock_shared(void) { must(flock(outside, LOCK_EX)); }
static void make_lock_shared(void) { outside = file_at(argument); }
static void lock_passed_out(void) {  // the lock is this process's, what it was made through is outside alone
  must(flock(outside, LOCK_EX));
  close(outside);
}
static void posix_lock(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  must(fcntl(file_at(argument), F_SETLK, &lock));
}
static void make_read_locks(void) {
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
  outside = file_at(argument);
  must(fcntl(outside, F_SETLK, &lock));
}
static void read_locks(void) {
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
  must(fcntl(file_at(argument), F_SETLK, &lock));
}
static void ofd_lock(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  must(fcntl(file_at(argument), F_OFD_SETLK, &lock));
}
static void lease(void) { must(fcntl(file_at(argument), F_SETLEASE, F_WRLCK)); }
static void watch(void) { must(inotify_add_watch(must(inotify_init()), "/etc", IN_CREATE)); }
static void watch_file(void) {
  must(close(file_at(argument)));
  must(inotify_add_watch(must(inotify_init()), argument, IN_MODIFY));
}
static void watch_deleted(void) {
  int fd = file_at(argument);
  must(inotify_add_watch(must(inotify_init()), argument, IN_MODIFY));
  must(unlink(argument));
  (void)fd;
}
static void fanotify(void) {
  must(fanotify_mark(must(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY)), FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "/etc"));
}
static void process_file(void) { must(open("/proc/self/status", O_RDONLY)); }
static void dead_process_file(void) {
  pid_t child = must(fork());
  char path[64];
  if (child == 0) wait_for_ever();
  snprintf(path, sizeof path, "/proc/%d/status", child);
  must(open(path, O_RDONLY));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}
static void namespace_file(void) { must(open("/proc/self/ns/net", O_RDONLY)); }
static void outside_namespace_file(void) {
  int own = must(open("/proc/self/ns/net", O_RDONLY));
  must(unshare(CLONE_NEWNET));
  must(open("/proc/self/ns/net", O_RDONLY));
  must(setns(own, CLONE_NEWNET));
}
static void path_only(void) { must(open("/etc", O_PATH)); }
static void tun(void) { must(open("/dev/net/tun", O_RDWR)); }
static void kernel_messages(void) { must(open("/dev/kmsg", O_RDONLY)); }
static void pid_descriptor(void) {
  fork_child(NULL);
  must((int)syscall(SYS_pidfd_open, getpid(), 0));
}
static void outside_pid_descriptor(void) { must((int)syscall(SYS_pidfd_open, 1, 0)); }
static void memory_file(void) { must(ftruncate(must((int)syscall(SYS_memfd_create, "x", 0)), 4096)); }
static void huge_memory_file(void) { must((int)syscall(SYS_memfd_create, "x", MFD_HUGETLB)); }
static void message_queue(void) { must((int)mq_open("/stasis-condition", O_RDWR | O_CREAT, 0600, NULL)); }
static void shared_segment(void) { need(shmat(must(shmget(IPC_PRIVATE, 4096, 0600)), NULL, 0)); }
static void events(void) {
  must(eventfd(3, 0));
  must(timerfd_create(CLOCK_MONOTONIC, 0));
  sigset_t none;
  sigemptyset(&none);
  must(signalfd(-1, &none, 0));
  struct epoll_event event = {.events = EPOLLIN};
  must(epoll_ctl(must(epoll_create1(0)), EPOLL_CTL_ADD, must(eventfd(0, 0)), &event));
}
static void bpf_map(void) {
  union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  must((int)syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}
static void aio(void) {
  unsigned long context = 0;
  must((int)syscall(SYS_io_setup, 4, &context));
}
static void make_pipe(void) {
  int ends[2];
  must(pipe(ends));
  outside = ends[0];
  must(dup2(ends[1], 9));
}

struct Condition {
  const char *name;
  void (*make)(void);     // in the helper, before the process is there; may be NULL
  void (*be)(void);       // in the process; may be NULL
  void (*finish)(void);   // in the helper, when it is there; may be NULL
};
#define PLAIN(name) {#name, NULL, name, NULL}

static const struct Condition conditions[] = {
    {"nothing", NULL, make_nothing, NULL},
    PLAIN(io_uring), PLAIN(io_uring_mapped), PLAIN(userfault), PLAIN(perf), PLAIN(bpf_program), PLAIN(kvm), PLAIN(fuse),
    PLAIN(loop_device), PLAIN(block_device), PLAIN(nvidia), PLAIN(landlock), PLAIN(secret_memory), PLAIN(fs_context),
    PLAIN(mount_tree), PLAIN(vsock), PLAIN(xdp), PLAIN(mptcp), PLAIN(packet_ring), PLAIN(packet), PLAIN(raw), PLAIN(ping),
    PLAIN(udp), PLAIN(udp_corked), PLAIN(netlink_queue), PLAIN(netlink), PLAIN(tcp_listen), PLAIN(tcp_both_ends),
    PLAIN(tcp_in_flight), PLAIN(tcp_half_closed),
    {"tcp_outside", make_tcp_outside, tcp_outside, NULL},
    PLAIN(unix_pair),
    {"unix_half", make_unix_half, close_outside, NULL},
    {"unix_outside", make_unix_outside, unix_outside, accept_outside},
    PLAIN(unix_in_flight), PLAIN(unix_dangling),
    {"unix_datagram", make_unix_datagram, unix_datagram, NULL},
    {"unix_datagram_pair", make_unix_datagram_pair, close_outside, NULL},
    {"traced", NULL, make_nothing, trace_it},
    PLAIN(vfork_parent), PLAIN(disk_busy), PLAIN(leader_gone), PLAIN(zombie), PLAIN(stopped), PLAIN(new_uts),
    PLAIN(new_ipc), PLAIN(new_net), PLAIN(new_cgroup),
    PLAIN(new_user), PLAIN(nested_uts), PLAIN(nested_ipc), PLAIN(nested_net), PLAIN(nested_cgroup), PLAIN(nested_user),
    PLAIN(nested_pid), PLAIN(nested_time),
    {"terminal_outside", make_terminal, terminal_outside, NULL},
    {"terminal_not_controlling", make_terminal, terminal_not_controlling, NULL},
    PLAIN(terminal_inside), PLAIN(terminal_virtual), PLAIN(deleted_file), PLAIN(deleted_folder),
    {"lock_shared", make_lock_shared, lock_shared, NULL},
    {"lock_passed_out", make_lock_shared, lock_passed_out, NULL},
    PLAIN(posix_lock),
    {"read_locks", make_read_locks, read_locks, NULL},
    PLAIN(ofd_lock), PLAIN(lease), PLAIN(watch), PLAIN(watch_file), PLAIN(watch_deleted), PLAIN(fanotify), PLAIN(process_file),
    PLAIN(dead_process_file), PLAIN(namespace_file), PLAIN(outside_namespace_file), PLAIN(path_only), PLAIN(tun),
    PLAIN(kernel_messages), PLAIN(pid_descriptor), PLAIN(outside_pid_descriptor), PLAIN(memory_file),
    PLAIN(huge_memory_file), PLAIN(message_queue), PLAIN(shared_segment), PLAIN(events), PLAIN(bpf_map), PLAIN(aio),
    {"pipe_outside", make_pipe, close_outside, NULL},
};

static const struct Condition *find(const char *name) {
  for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
    if (strcmp(conditions[i].name, name) == 0) return &conditions[i];
  exit(2);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) puts(conditions[i].name);
    return 0;
  }
  if (argc < 3) return 2;
  const struct Condition *condition = find(argv[1]);
  argument = argc > 3 ? argv[3] : "";
  int ends[2], status, nowhere = must(open("/dev/null", O_RDWR));
  char byte;
  must(pipe2(ends, O_CLOEXEC));
  if (condition->make != NULL) condition->make();
  inside = must(fork());
  if (inside == 0) {
    must(setsid());
    close(ends[0]);
    for (int fd = 0; fd < 3; fd++) must(dup2(nowhere, fd));
    close(nowhere);
    condition->be();
    (void)!write(ends[1], "", 1);
    close(ends[1]);
    wait_for_ever();
  }
  close(ends[1]);
  if (read(ends[0], &byte, 1) != 1) {
    waitpid(inside, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  }
  close(ends[0]);
  if (condition->finish != NULL) condition->finish();
  FILE *file = fopen(argv[2], "w");
  if (file == NULL || fprintf(file, "%d\n", inside) < 0 || fclose(file) != 0) return 1;
  signal(SIGCHLD, SIG_IGN);
  wait_for_ever();
}
