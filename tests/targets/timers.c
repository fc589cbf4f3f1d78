// Timers of each kind, all due at one moment. Keeps saying which have gone off, in one line of a file that is replaced
// as a whole. usage: timers FILE SECONDS
//
// `early`: how many have gone off before they were due, by the clock that they go by. `ticks`: of a periodic one, 100 ms
// each. `jump_ms`: how far the monotonic clock went at most from one look to the next.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { kRelative, kAbsolute, kWall, kPosix, kAlarm, kCount };
static const char *const kNames[kCount] = {"relative", "absolute", "wall", "posix", "alarm"};
static const long long kSecond = 1000000000LL;

static volatile sig_atomic_t came[kCount];
static void on_signal(int number) { came[number == SIGALRM ? kAlarm : kPosix] = 1; }

static long long now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

static struct itimerspec at(long long first, long long interval) {
  return (struct itimerspec){{interval / kSecond, interval % kSecond}, {first / kSecond, first % kSecond}};
}

static int new_timer(clockid_t clock, int flags, long long first, long long interval) {
  int fd = timerfd_create(clock, TFD_NONBLOCK);
  struct itimerspec when = at(first, interval);
  if (fd < 0 || timerfd_settime(fd, flags, &when, NULL) != 0) exit(1);
  return fd;
}

static uint64_t expirations(int fd) {
  uint64_t got;
  return read(fd, &got, sizeof got) == sizeof got ? got : 0;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  char temporary[4096];
  snprintf(temporary, sizeof temporary, "%s.new", argv[1]);
  uint64_t nonce, ticks = 0;
  if (getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) return 1;
  signal(SIGALRM, on_signal);
  signal(SIGUSR2, on_signal);

  const long long left = atol(argv[2]) * kSecond, start = now(CLOCK_MONOTONIC), due = start + left,
                  wall_due = now(CLOCK_REALTIME) + left;
  const int files[] = {new_timer(CLOCK_MONOTONIC, 0, left, 0), new_timer(CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, due, 0),
                       new_timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME, wall_due, 0)};
  const int periodic = new_timer(CLOCK_MONOTONIC, 0, kSecond / 10, kSecond / 10);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
  struct itimerspec posix_at = at(due, 0);
  struct itimerval alarm_in = {{0, 0}, {left / kSecond, 0}};
  timer_t posix;
  if (timer_create(CLOCK_MONOTONIC, &event, &posix) != 0 || timer_settime(posix, TIMER_ABSTIME, &posix_at, NULL) != 0 ||
      setitimer(ITIMER_REAL, &alarm_in, NULL) != 0)
    return 1;

  long long late[kCount] = {0}, last = start, jump = 0;
  int fired = 0, early = 0, done[kCount] = {0};
  for (;;) {
    for (int i = 0; i <= kWall; i++) came[i] |= expirations(files[i]) > 0;
    const long long time = now(CLOCK_MONOTONIC);
    for (int i = 0; i < kCount; i++) {
      if (!came[i] || done[i]) continue;
      done[i] = 1;
      late[i] = i == kWall ? now(CLOCK_REALTIME) - wall_due : time - due;
      fired++;
      early += late[i] < 0;
    }
    ticks += expirations(periodic);
    if (time - last > jump) jump = time - last;
    last = time;
    FILE *file = fopen(temporary, "w");
    if (!file) return 1;
    fprintf(file, "nonce=%llx elapsed_ms=%lld jump_ms=%lld ticks=%llu fired=%d early=%d", (unsigned long long)nonce,
            (time - start) / 1000000, jump / 1000000, (unsigned long long)ticks, fired, early);
    for (int i = 0; i < kCount; i++)
      if (done[i]) fprintf(file, " %s_late_ms=%lld", kNames[i], late[i] / 1000000);
    fprintf(file, "\n");
    if (fclose(file) != 0 || rename(temporary, argv[1]) != 0) return 1;
    nanosleep(&(struct timespec){0, 10000000}, NULL);
  }
}
