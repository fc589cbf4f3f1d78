// Holds a netlink socket with messages that it reads only upon SIGUSR1.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <sys/socket.h>

int main(void) {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR1);
  sigprocmask(SIG_BLOCK, &wanted, 0);

  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  struct sockaddr_nl own = {.nl_family = AF_NETLINK};
  struct {
    struct nlmsghdr header;
    struct rtgenmsg message;
  } request = {{.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
               {.rtgen_family = AF_UNSPEC}};
  if (fd < 0 || bind(fd, (void *)&own, sizeof own) != 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0) return 1;

  for (int number; sigwait(&wanted, &number) == 0;) {
    char messages[32768];
    while (recv(fd, messages, sizeof messages, MSG_DONTWAIT) > 0) continue;
  }
  return 1;
}
