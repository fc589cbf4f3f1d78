// Holds what is hard about files and sockets, and checks all of it again and again: deleted files,
// shared memory of three kinds, locks, unix sockets with data in flight, and a file that is written
// through a mapping all the time. SIGUSR1 is one piece of work. usage: files STATUS DIR
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { kDeletedWords = 3 << 17, kPages = 16, kPageWords = 512 };  // 3 MiB: more than CRIU's default for a deleted file
enum { kDeleted = 1, kLinked = 2, kSysv = 4, kPosix = 8, kDgram = 16, kStream = 32, kPair = 64, kMapping = 128 };
static const char *const kNames[] = {"deleted", "linked", "sysv", "posix", "dgram", "stream", "pair+locks", "mapping"};
static struct Shared { volatile uint64_t echoes, sequence, mapping_errors; } * shared;
static volatile sig_atomic_t wanted_work;
static void on_work(int signal_number) { wanted_work += signal_number == SIGUSR1; }

#define REQUIRE(what) \
  if (!(what)) fprintf(stderr, "%s: %s\n", #what, strerror(errno)), exit(1)

static struct sockaddr_un at(const char *name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
  return address;
}

// Each round writes the next number to the next page; the page must still hold what the last round left there,
// which this process remembers: the file's content and the memory must be of the same moment to the byte.
static void write_mapping(void) {
  int fd = open("mapping", O_RDWR | O_CREAT | O_TRUNC, 0600);
  REQUIRE(fd >= 0 && ftruncate(fd, kPages * 4096) == 0);
  volatile uint64_t *map = mmap(NULL, kPages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  REQUIRE(map != MAP_FAILED);
  for (uint64_t sequence = 1;; sequence++) {
    volatile uint64_t *word = &map[sequence % kPages * kPageWords + sequence / kPages % kPageWords];
    uint64_t before = sequence > kPages * kPageWords ? sequence - kPages * kPageWords : 0;
    if (*word != before) shared->mapping_errors++;
    *word = sequence;
    shared->sequence = sequence;
    if (sequence % 256 == 0) nanosleep(&(struct timespec){0, 1000}, NULL);
  }
}

// Answers a number with its successor, on the pair only while another process can see that both locks are held.
static void echo(int pair) {
  struct sockaddr_un address = at("stream");
  int stream = socket(AF_UNIX, SOCK_STREAM, 0);
  while (connect(stream, (struct sockaddr *)&address, sizeof address) != 0) usleep(1000);
  struct pollfd polled[] = {{pair, POLLIN, 0}, {stream, POLLIN, 0}};
  for (uint64_t number;;) {
    if (poll(polled, 2, -1) < 0 && errno == EINTR) continue;  // a checkpoint interrupts it
    for (int i = 0; i < 2; i++) {
      if (!polled[i].revents) continue;
      REQUIRE(read(polled[i].fd, &number, sizeof number) == sizeof number);
      struct flock lock = {.l_type = F_WRLCK, .l_start = 0, .l_len = 100};
      int fd = open("flock", O_RDONLY), posix_fd = open("posix", O_RDWR);
      int held = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && fcntl(posix_fd, F_GETLK, &lock) == 0 &&
                 lock.l_type == F_WRLCK && lock.l_pid == getppid() && lock.l_start == 10 && lock.l_len == 20;
      close(fd);
      close(posix_fd);
      number = i == 0 && !held ? 0 : number + 1;
      REQUIRE(write(polled[i].fd, &number, sizeof number) == sizeof number);
      shared->echoes++;
    }
  }
}

int main(int argc, char **argv) {
  int pair[2], linked, listener, dgram, sender, stream;
  uint64_t nonce, number;
  REQUIRE(argc == 3 && chdir(argv[2]) == 0 && getrandom(&nonce, sizeof nonce, 0) == sizeof nonce);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  if (fork() == 0) write_mapping();
  if (fork() == 0) echo(pair[1]);
  uint64_t *words = malloc(kDeletedWords * 8), *copy = malloc(kDeletedWords * 8);
  for (int i = 0; i < kDeletedWords; i++) words[i] = nonce + i;
  words[0] = 0;  // the work done
  int deleted = open("deleted", O_RDWR | O_CREAT | O_EXCL, 0600);
  REQUIRE(deleted >= 0 && write(deleted, words, kDeletedWords * 8) == kDeletedWords * 8 && unlink("deleted") == 0);
  REQUIRE((linked = open("linked", O_RDWR | O_CREAT, 0600)) >= 0);
  REQUIRE(write(linked, &nonce, 8) == 8 && link("linked", "other") == 0 && unlink("linked") == 0);
  int flock_fd = open("flock", O_RDWR | O_CREAT, 0600), posix_fd = open("posix", O_RDWR | O_CREAT, 0600);
  struct flock lock = {.l_type = F_WRLCK, .l_start = 10, .l_len = 20};
  REQUIRE(flock(flock_fd, LOCK_EX) == 0 && fcntl(posix_fd, F_SETLK, &lock) == 0);
  uint64_t *sysv = shmat(shmget(IPC_PRIVATE, 65536, IPC_CREAT | 0600), NULL, 0);
  int shm = shm_open("/files", O_RDWR | O_CREAT, 0600);
  REQUIRE(sysv != (void *)-1 && shm >= 0 && ftruncate(shm, 65536) == 0);
  uint64_t *posix = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, shm, 0);
  REQUIRE(posix != MAP_FAILED);
  sysv[1] = posix[1] = nonce;

  struct sockaddr_un stream_address = at("stream"), dgram_address = at("dgram");
  REQUIRE((listener = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0 && (dgram = socket(AF_UNIX, SOCK_DGRAM, 0)) >= 0);
  REQUIRE(bind(dgram, (struct sockaddr *)&dgram_address, sizeof dgram_address) == 0);
  REQUIRE((sender = socket(AF_UNIX, SOCK_DGRAM, 0)) >= 0);
  REQUIRE(connect(sender, (struct sockaddr *)&dgram_address, sizeof dgram_address) == 0);
  REQUIRE(bind(listener, (struct sockaddr *)&stream_address, sizeof stream_address) == 0 && listen(listener, 1) == 0);
  REQUIRE((stream = accept(listener, NULL, NULL)) >= 0);
  signal(SIGUSR1, on_work);

  unsigned errors = 0;
  for (uint64_t counter = 1, work = 0;; counter++) {
    // What was sent in the last round was in flight until now.
    if (counter > 1) {
      if (read(stream, &number, 8) != 8 || number != counter) errors |= kStream;
      if (read(pair[0], &number, 8) != 8 || number != counter) errors |= kPair;
      if (recv(dgram, &number, 8, MSG_DONTWAIT) != 8 || number != counter - 1) errors |= kDgram;
    }
    struct stat status, other;
    if (pread(deleted, copy, kDeletedWords * 8, 0) != kDeletedWords * 8 || fstat(deleted, &status) != 0 ||
        memcmp(copy, words, kDeletedWords * 8) != 0 || status.st_nlink != 0)
      errors |= kDeleted;
    // A move between two looks at one file shows it by the numbers of two hosts.
    ino_t looked_at;
    do {
      if (fstat(linked, &status) != 0 || stat("other", &other) != 0) errors |= kLinked;
      looked_at = status.st_ino;
      if (fstat(linked, &status) != 0) errors |= kLinked;
    } while (status.st_ino != looked_at);
    if (status.st_ino != other.st_ino ||
        pread(linked, &number, 8, 0) != 8 || number != nonce || access("linked", F_OK) == 0)
      errors |= kLinked;
    if (sysv[0] != work || sysv[1] != nonce) errors |= kSysv;
    if (posix[0] != work || posix[1] != nonce) errors |= kPosix;
    if (shared->mapping_errors) errors |= kMapping;
    if (work < (uint64_t)wanted_work) {
      sysv[0] = posix[0] = words[0] = ++work;
      if (pwrite(deleted, words, 8, 0) != 8) errors |= kDeleted;
    }
    number = counter;
    if (write(stream, &number, 8) != 8 || write(pair[0], &number, 8) != 8 || write(sender, &number, 8) != 8)
      errors |= kStream | kPair | kDgram;

    FILE *file = fopen("status.new", "w");
    REQUIRE(file);
    fprintf(file, "counter=%lu work=%lu nonce=%lx echoes=%lu sequence=%lu errors=", counter, work, nonce,
            shared->echoes, shared->sequence);
    for (int i = 0; i < 8; i++) fprintf(file, "%s", errors & 1u << i ? kNames[i] : "");
    REQUIRE(fprintf(file, "%s\n", errors ? "" : "none") > 0 && fclose(file) == 0 && rename("status.new", argv[1]) == 0);
    nanosleep(&(struct timespec){0, 10000000}, NULL);
  }
}
