// A tree of tasks with sessions and process groups of their own; each counts in its private memory
// and shows the number to the first one in shared memory. The first one writes down all numbers.
// SIGUSR1 to the first adds one task (work). usage: tree FILE TASKS
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { kMost = 4096, kPerGroup = 20 };
struct Shared {
  pid_t pid[kMost];
  volatile uint64_t counter[kMost];
  unsigned mismatches;
};
static struct Shared *shared;
static volatile sig_atomic_t wanted_work;

static void on_work(int signal_number) {
  (void)signal_number;
  wanted_work++;
}

static void pause_ms(long milliseconds) { nanosleep(&(struct timespec){0, milliseconds * 1000000}, NULL); }

static void count_for_ever(int index) {
  signal(SIGUSR1, SIG_DFL);
  for (uint64_t counter = 0;; pause_ms(50)) {
    // Private and shared memory must come back from the same moment.
    if (shared->counter[index] != counter) __atomic_add_fetch(&shared->mismatches, 1, __ATOMIC_SEQ_CST);
    shared->counter[index] = ++counter;
  }
}

// Starts the tasks first..last as a session or a process group. Every fourth starts the rest of them, one level deeper.
static void start_group(int first, int last, int session) {
  if (fork() != 0) return;
  if (session)
    setsid();
  else
    setpgid(0, 0);
  int me = first;
  for (int index = first + 1; index <= last; index++) {
    int deeper = index % 4 == 0, child = fork() == 0;
    if (child) me = index;
    if (child != deeper) break;
  }
  shared->pid[me] = getpid();
  count_for_ever(me);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int tasks = atoi(argv[2]), work = 0;
  uint64_t nonce;
  if (tasks < 2 || tasks > kMost / 2 || getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) return 2;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  signal(SIGUSR1, on_work);
  for (int first = 1; first < tasks; first += kPerGroup) {
    int last = first + kPerGroup - 1;
    start_group(first, last < tasks ? last : tasks - 1, first / kPerGroup % 2);
  }
  if (fork() == 0) _exit(3);  // never waited for: a zombie belongs to a tree, too

  char temporary[4096];
  snprintf(temporary, sizeof temporary, "%s.new", argv[1]);
  for (;; pause_ms(20)) {
    while (work < wanted_work && tasks + 1 < kMost) {
      start_group(tasks, tasks, work++ % 2);
      tasks++;
    }
    shared->pid[0] = getpid();
    shared->counter[0]++;
    FILE *file = fopen(temporary, "w");
    if (!file) return 1;
    fprintf(file, "work=%d tasks=%d nonce=%llx mismatches=%u\n", work, tasks, (unsigned long long)nonce,
            shared->mismatches);
    for (int index = 0; index < tasks; index++)
      fprintf(file, "%d:%d:%d:%llu\n", shared->pid[index], getsid(shared->pid[index]), getpgid(shared->pid[index]),
              (unsigned long long)shared->counter[index]);
    if (fclose(file) != 0 || rename(temporary, argv[1]) != 0) return 1;
  }
}
