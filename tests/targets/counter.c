// Counts in memory and keeps saying how far it got, in one line of a file that is replaced as a
// whole. SIGUSR1 is one piece of work. usage: counter FILE [MILLISECONDS]
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static volatile sig_atomic_t work;
static void on_work(int signal_number) {
  (void)signal_number;
  work++;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  long pause_ms = argc > 2 ? atol(argv[2]) : 10;
  uint64_t nonce, counter = 0;  // the nonce tells a program that was started anew from one that went on
  long long last = 0, backwards = 0;
  char temporary[4096];
  snprintf(temporary, sizeof temporary, "%s.new", argv[1]);
  if (getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) return 1;
  signal(SIGUSR1, on_work);

  for (;;) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long nanoseconds = now.tv_sec * 1000000000LL + now.tv_nsec;
    if (nanoseconds < last) backwards++;
    last = nanoseconds;
    counter++;

    FILE *file = fopen(temporary, "w");
    if (!file) return 1;
    fprintf(file, "counter=%llu work=%d nonce=%llx monotonic_ns=%lld backwards=%lld\n", (unsigned long long)counter,
            (int)work, (unsigned long long)nonce, nanoseconds, backwards);
    if (fclose(file) != 0 || rename(temporary, argv[1]) != 0) return 1;
    nanosleep(&(struct timespec){pause_ms / 1000, pause_ms % 1000 * 1000000}, NULL);
  }
}
