// Holds memory of which it knows every word. At SIGUSR1 it forks, moves, discards, unmaps and writes parts of it, and
// says how many words are not as they must be then, in itself and in its child. At SIGUSR2 it looks for a wrong word
// from the end on, and says at once that it saw one. usage: changes FILE MEGABYTES
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kParts = 5 };  // moved, discarded, replaced, written, left alone

static uint64_t word_of(size_t index) { return (index + 1) * 0x9e3779b97f4a7c15; }

static size_t wrong(const uint64_t* words, size_t first, size_t count) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) found += words[i] != word_of(first + i);
    return found;
}

static size_t not_zero(const uint64_t* words, size_t count) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) found += words[i] != 0;
    return found;
}

static size_t wrong_in_child(const uint64_t* words, size_t count) {
    pid_t child = fork();
    if (child == 0) _exit(wrong(words, 0, count) != 0);
    int status;
    return child < 0 || waitpid(child, &status, 0) != child || status != 0;
}

static size_t change(uint64_t* words, size_t count) {
    size_t part = count / kParts, bytes = part * sizeof *words;
    uint64_t *discarded = words + part, *replaced = words + 2 * part, *written = words + 3 * part;
    size_t found = wrong_in_child(words, count);
    uint64_t* moved = mremap(words, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                             mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (moved == MAP_FAILED || madvise(discarded, bytes, MADV_DONTNEED) != 0 || munmap(replaced, bytes) != 0 ||
        mmap(replaced, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != replaced)
        return count;
    for (size_t i = 0; i < part; i += 512) written[i] = ~word_of(3 * part + i);
    for (size_t i = 0; i < part; i += 512) {
        found += written[i] != ~word_of(3 * part + i);
        written[i] = word_of(3 * part + i);
    }
    return found + wrong(moved, 0, part) + not_zero(discarded, part) + not_zero(replaced, part) +
           wrong(written, 3 * part, 2 * part);
}

static void say(const char* name, int work, size_t found) {
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.new", name);
    FILE* file = fopen(temporary, "w");
    if (!file || fprintf(file, "work=%d wrong=%zu\n", work, found) < 0 || fclose(file) != 0 ||
        rename(temporary, name) != 0)
        exit(1);
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    long page = sysconf(_SC_PAGESIZE);
    size_t unit = (size_t)page * kParts, bytes = (strtoul(argv[2], NULL, 10) << 20) / unit * unit;
    size_t count = bytes / sizeof(uint64_t);
    uint64_t* words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED) return 1;
    for (size_t i = 0; i < count; i++) words[i] = word_of(i);

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGUSR2);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    say(argv[1], 0, 0);
    int signal_number;
    sigwait(&signals, &signal_number);
    if (signal_number == SIGUSR1) {
        say(argv[1], 1, change(words, count));
    } else {
        size_t left = count;
        while (left > 0 && words[left - 1] == word_of(left - 1)) left--;
        say(argv[1], 2, left);
    }
    for (;;) pause();
}
