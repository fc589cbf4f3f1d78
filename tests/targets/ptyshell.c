// Holds a pty whose other side is the terminal of a shell in a session of its own, and lets the shell
// count: the number is a variable of the shell. usage: ptyshell STATUS
#define _XOPEN_SOURCE 600
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) fail("pty");
  struct winsize size = {.ws_row = 42, .ws_col = 123};
  struct termios settings;
  if (ioctl(master, TIOCSWINSZ, &size) != 0 || tcgetattr(master, &settings) != 0) fail("terminal");
  settings.c_lflag &= ~ECHO;
  if (tcsetattr(master, TCSANOW, &settings) != 0) fail("terminal");
  pid_t shell = fork();
  if (shell == 0) {
    setsid();
    int slave = open(ptsname(master), O_RDWR);  // becomes the controlling terminal
    if (slave < 0) fail("slave");
    for (int fd = 0; fd < 3; fd++) dup2(slave, fd);
    close(slave);
    close(master);
    execl("/bin/sh", "sh", "-c", "while read -r line; do eval \"$line\"; done", (char *)NULL);
    fail("sh");
  }

  char temporary[4096], input[8192];
  snprintf(temporary, sizeof temporary, "%s.new", argv[1]);
  size_t length = 0;
  for (unsigned long long counter = 1, errors = 0;; counter++) {
    const char *command = "n=$((n+1)); set -- $(stty size); echo \"<$n $1 $2 $$>\"\n";
    if (write(master, command, strlen(command)) < 0) fail("write");
    char *begin, *end;
    while (input[length] = 0, !(begin = strchr(input, '<')) || !strchr(begin, '>')) {
      if (length + 1 == sizeof input) length = 0;  // noise only
      ssize_t got = read(master, input + length, sizeof input - 1 - length);
      if (got <= 0) fail("read");
      length += got;
    }
    end = strchr(begin, '>');
    unsigned long long number = 0;
    int rows = 0, columns = 0, pid = 0;
    // A terminal whose echo is on again would show the command itself: that is an error, too.
    if (sscanf(begin, "<%llu %d %d %d>", &number, &rows, &columns, &pid) != 4 || number != counter || rows != 42 ||
        columns != 123 || pid != shell || tcgetpgrp(master) < 0)
      errors++;
    length = strlen(end + 1);
    memmove(input, end + 1, length);

    FILE *file = fopen(temporary, "w");
    if (!file) fail(temporary);
    fprintf(file, "counter=%llu errors=%llu shell=%d\n", number, errors, shell);
    if (fclose(file) != 0 || rename(temporary, argv[1]) != 0) fail(argv[1]);
    nanosleep(&(struct timespec){0, 20000000}, NULL);
  }
}
