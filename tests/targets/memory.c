// Holds random memory and can say its checksum. SIGUSR1 rewrites a part (work), SIGUSR2 reads all
// of it again. usage: memory FILE MEGABYTES [PARTS]
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

static uint64_t xorshift(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

static uint64_t checksum(const uint64_t *words, size_t count) {
  uint64_t sum[4] = {1, 2, 3, 4};  // four chains, so that the processor can work on them side by side
  for (size_t i = 0; i < count; i += 4)
    for (int chain = 0; chain < 4; chain++) sum[chain] = (sum[chain] ^ words[i + chain]) * 0x100000001b3;
  return sum[0] ^ sum[1] << 1 ^ sum[2] << 2 ^ sum[3] << 3;
}

static void fill(uint64_t *words, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; i++) words[i] = xorshift(&seed);
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4) return 2;
  size_t bytes = strtoul(argv[2], NULL, 10) << 20, count = bytes / sizeof(uint64_t);
  uint64_t *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t nonce;
  size_t parts = argc == 4 ? strtoul(argv[3], NULL, 10) : 16;
  if (words == MAP_FAILED || count == 0 || parts == 0 || getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) return 1;
  nonce |= 1;
  fill(words, count, nonce);

  char temporary[4096];
  snprintf(temporary, sizeof temporary, "%s.new", argv[1]);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  sigprocmask(SIG_BLOCK, &signals, NULL);

  for (unsigned work = 0, checks = 0;;) {
    FILE *file = fopen(temporary, "w");
    if (!file) return 1;
    fprintf(file, "work=%u checks=%u nonce=%llx sum=%llx\n", work, checks, (unsigned long long)nonce,
            (unsigned long long)checksum(words, count));
    if (fclose(file) != 0 || rename(temporary, argv[1]) != 0) return 1;

    int signal_number;
    sigwait(&signals, &signal_number);
    if (signal_number == SIGUSR1) {
      size_t part = count / parts;
      fill(words + work % parts * part, part, nonce + 2 * (work + 1));
      work++;
    }
    checks++;
  }
}
