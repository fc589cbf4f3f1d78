// Holds memory, keeps rewriting random pages of it, and knows what each page must hold. It counts as `counter` does;
// SIGUSR1 has it compare all of its memory. usage: writer FILE MEGABYTES [PAGES-PER-TICK]; a tick is 10 ms
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

enum { kWords = 4096 / sizeof(uint64_t) };

static volatile sig_atomic_t asked;
static void on_ask(int signal_number) {
  (void)signal_number;
  asked++;
}

static uint64_t mix(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  x ^= x >> 33;
  return x * 0xc4ceb9fe1a85ec53;
}

static uint64_t word_of(uint64_t nonce, size_t page, uint32_t version) {
  return mix(nonce ^ page << 32 ^ version);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  size_t pages = strtoul(argv[2], NULL, 10) << 8;
  long per_tick = argc > 3 ? atol(argv[3]) : 0;
  uint64_t nonce, counter = 0, seed, wrong = 0;
  char temporary[4096];
  snprintf(temporary, sizeof temporary, "%s.new", argv[1]);
  if (pages == 0 || getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) return 1;
  seed = nonce |= 1;
  uint64_t *memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint32_t *versions = calloc(pages, sizeof *versions);
  if (memory == MAP_FAILED || !versions) return 1;
  for (size_t page = 0; page < pages; page++)
    for (size_t i = 0; i < kWords; i++) memory[page * kWords + i] = word_of(nonce, page, 0) + i;
  signal(SIGUSR1, on_ask);

  for (int checks = 0;;) {
    for (long i = 0; i < per_tick; i++) {
      size_t page = (seed = mix(seed + 1)) % pages;
      uint64_t word = word_of(nonce, page, ++versions[page]);
      for (size_t at = 0; at < kWords; at++) memory[page * kWords + at] = word + at;
    }
    for (int now = asked; checks < now; checks++)
      for (size_t page = 0; page < pages; page++) {
        uint64_t word = word_of(nonce, page, versions[page]);
        for (size_t at = 0; at < kWords; at++)
          if (memory[page * kWords + at] != word + at) {
            wrong++;
            break;
          }
      }
    counter++;
    FILE *file = fopen(temporary, "w");
    if (!file) return 1;
    fprintf(file, "counter=%llu nonce=%llx checks=%d wrong=%llu\n", (unsigned long long)counter,
            (unsigned long long)nonce, checks, (unsigned long long)wrong);
    if (fclose(file) != 0 || rename(temporary, argv[1]) != 0) return 1;
    nanosleep(&(struct timespec){0, 10000000}, NULL);
  }
}
