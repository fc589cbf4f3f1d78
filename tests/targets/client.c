// Holds ONE connection to a server for ever, asks on it again and again, and writes down what it
// learns. A connection that breaks is never made anew: the program says so and ends.
// usage: client redis|http ADDRESS PORT STATUS
// redis: increments the key `ticks` of database 1; every answer must be one more than the last.
// http: fetches /data; `sum` is the body's checksum. `connection` is the server's own number of it.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *status_path;
static unsigned long long counter, connection, sum, length, gaps;

static void write_status(const char *state) {
  char temporary[4096];
  snprintf(temporary, sizeof temporary, "%s.new", status_path);
  FILE *file = fopen(temporary, "w");
  if (!file) exit(1);
  fprintf(file, "counter=%llu connection=%llu gaps=%llu length=%llu sum=%llx state=%s\n", counter, connection, gaps,
          length, sum, state);
  if (fclose(file) != 0 || rename(temporary, status_path) != 0) exit(1);
}

static void broken(const char *what) {
  char state[128];
  snprintf(state, sizeof state, "broken:%s:%d", what, errno);
  write_status(state);
  exit(1);
}

static FILE *stream;  // reads only; requests are written to the socket itself

static char *read_line(void) {
  static char line[4096];
  if (!fgets(line, sizeof line, stream)) broken(feof(stream) ? "closed" : "read");
  return line;
}

static void request(const char *text) {
  size_t size = strlen(text);
  if (write(fileno(stream), text, size) != (ssize_t)size) broken("write");
}

static unsigned long long redis_number(const char *command) {
  request(command);
  char *line = read_line();
  if (line[0] != ':') broken("answer");
  return strtoull(line + 1, NULL, 10);
}

static void ask_redis(void) {
  unsigned long long ticks = redis_number("INCR ticks\r\n"), id = redis_number("CLIENT ID\r\n");
  if ((counter && ticks != counter + 1) || (connection && id != connection)) gaps++;
  counter = ticks;
  connection = id;
}

static void ask_http(void) {
  request("GET /data HTTP/1.1\r\nHost: test\r\n\r\n");
  unsigned long long id = 0, body = 0;
  if (!strstr(read_line(), " 200 ")) broken("answer");
  for (char *line; (line = read_line())[0] != '\r';) {
    sscanf(line, "X-Connection: %llu", &id);
    sscanf(line, "Content-Length: %llu", &body);
  }
  uint64_t fnv = 0xcbf29ce484222325;
  for (unsigned long long i = 0; i < body; i++) {
    int byte = getc(stream);
    if (byte == EOF) broken("body");
    fnv = (fnv ^ byte) * 0x100000001b3;
  }
  if (connection && id != connection) gaps++;
  connection = id;
  length = body;
  sum = fnv;
  counter++;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int redis = strcmp(argv[1], "redis") == 0, fd, one = 1;
  status_path = argv[4];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1) return 2;
  for (;; close(fd)) {  // only until the server is up
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) break;
    if (errno != ECONNREFUSED) return 1;
    nanosleep(&(struct timespec){0, 10000000}, NULL);
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  stream = fdopen(fd, "r");
  if (redis) {
    request("SELECT 1\r\n");
    if (strcmp(read_line(), "+OK\r\n") != 0) broken("select");
  }
  for (;;) {
    if (redis)
      ask_redis();
    else
      ask_http();
    write_status("ok");
    nanosleep(&(struct timespec){0, 5000000}, NULL);
  }
}
