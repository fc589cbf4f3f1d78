#!/usr/bin/python3 -IS
"""A CRIU that something happens to at a chosen moment of its work for stasis, runc or crun.

Named as STASIS_CRIU, under the name `criu`, so that runtimes find it in PATH as well. It becomes the
real CRIU by exec, so that pid, parent, signals and exit status are the real one's; a process beside
it stands on the socket between CRIU and its client and passes everything on. From the environment:

FAULT_CRIU    the real CRIU
FAULT_AT      POINT:MOMENT, of a dump or restore only. POINT is a notification (`post-dump`) or one of
              `start` (the request) and `end` (CRIU's last answer). MOMENT is `asked` (the client does
              not know yet), `answered` (CRIU does not know the answer yet) or `done` (it does).
FAULT_KILL    who gets FAULT_SIGNAL (default KILL), one after the other: `stasis`, `criu`, `runc` or `crun` between the two
FAULT_DO      a shell command to run then, with STASIS_PID and CRIU_PID in its environment
FAULT_LOG     a file that gets a line for each moment that was passed, and `fired` before the fault; what goes wrong
              in here goes to the same name with .trace
"""
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import traceback

DUMP, RESTORE, NOTIFY = 1, 2, 6  # request types of CRIU's rpc.proto
LARGEST_PACKET = 4 << 20
SO_SNDBUFFORCE = 32
FIRST_OWN_FD = 500  # below lie the client's folders, under the client's numbers


def fields(message):
    """The fields of a protobuf message as (number, value); numbers and byte strings only."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            length = varint()
            yield key >> 3, message[at:at + length]
            at += length
        else:
            at += 8 if key & 7 == 1 else 4


def stat_fields(pid):
    with open(f"/proc/{pid}/stat") as file:
        before, _, after = file.read().rpartition(")")
    return before.partition("(")[2], int(after.split()[1])


def ancestor(pid, command):
    while pid > 0:
        name, parent = stat_fields(pid)
        if name == command:
            return pid
        pid = parent
    return 0


class Proxy:
    def __init__(self, client, criu, victims):
        self.client, self.criu, self.victims = client, criu, victims
        self.armed, self.point = False, ""

    def moment(self, moment):
        now = f"{self.point}:{moment}"
        self.log(now)
        if now != os.environ.get("FAULT_AT"):
            return
        self.log("fired")
        for victim in os.environ.get("FAULT_KILL", "").split():
            self.kill(self.victims[victim], "SIG" + os.environ.get("FAULT_SIGNAL", "KILL"))
        if command := os.environ.get("FAULT_DO"):
            pids = {name.upper() + "_PID": str(pid) for name, pid in self.victims.items()}
            with open(os.environ["FAULT_LOG"] + ".do", "ab") as output:
                subprocess.run(command, shell=True, env=os.environ | pids, stdout=output, stderr=output)

    @staticmethod
    def kill(pid, name):
        handle = os.pidfd_open(pid)
        signal.pidfd_send_signal(handle, signal.Signals[name])
        if name == "SIGKILL":
            select.select([handle], [], [])
        os.close(handle)

    @staticmethod
    def log(line):
        with open(os.environ["FAULT_LOG"], "a") as file:
            file.write(line + "\n")

    def from_client(self, message):
        """What to do once the packet was passed on."""
        kind = next((value for number, value in fields(message) if number == 1), 0)
        if kind in (DUMP, RESTORE):
            self.armed, self.point = True, "start"
            self.moment("asked")
        elif self.armed and kind == NOTIFY:
            self.moment("answered")
            return lambda: self.moment("done")
        return lambda: None

    def from_criu(self, message):
        if self.armed:
            notification = next((value for number, value in fields(message) if number == 5), b"")
            script = next((value for number, value in fields(notification) if number == 1), b"end")
            self.point = script.decode()
            self.moment("asked")
        return lambda: None

    def run(self):
        poll = select.poll()
        for end in self.client, self.criu:
            poll.register(end, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                is_client = fd == self.client.fileno()
                source, sink = (self.client, self.criu) if is_client else (self.criu, self.client)
                try:
                    message, control, _, _ = source.recvmsg(LARGEST_PACKET, socket.CMSG_SPACE(64), socket.MSG_CMSG_CLOEXEC)
                    if not message:
                        return
                    passed = (self.from_client if is_client else self.from_criu)(message)
                    sink.sendmsg([message], control)
                    for _, _, descriptors in control:
                        for at in range(0, len(descriptors), 4):
                            os.close(int.from_bytes(descriptors[at:at + 4], sys.byteorder))
                    passed()
                except (BrokenPipeError, ConnectionResetError):
                    return


def high(fd):
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_OWN_FD)


def take_folders_of(pid):
    """CRIU opens the folders of a request as /proc/<peer>/fd/N, and its peer is now this process."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            fd = os.open(f"/proc/{pid}/fd/{name}", os.O_RDONLY | os.O_DIRECTORY)
        except OSError:  # no folder, or closed: the client goes on with its work
            continue
        if int(name) > 2 and fd != int(name):
            os.dup2(fd, int(name))
        if fd != int(name):
            os.close(fd)


def be_proxy(client, handshake, criu_pid, client_pid):
    client, handshake = high(client), socket.socket(fileno=high(handshake))
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.closerange(3, FIRST_OWN_FD)
    take_folders_of(client_pid)
    # The one who makes the pair is the peer that CRIU sees.
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours, theirs, client = (socket.socket(fileno=fd) for fd in (high(pair[0].fileno()), high(pair[1].fileno()), client))
    for end in pair:
        end.close()
    for end in ours, theirs, client:
        end.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, LARGEST_PACKET)
    socket.send_fds(handshake, [b"x"], [theirs.fileno()])
    handshake.close()
    theirs.close()
    victims = {"stasis": ancestor(client_pid, "stasis"), "criu": criu_pid}
    for runtime in "runc", "crun":
        victims[runtime] = ancestor(client_pid, runtime)
    Proxy(client, ours, victims).run()


def main():
    real = os.environ["FAULT_CRIU"]
    if "swrk" in sys.argv:
        number = int(sys.argv[sys.argv.index("swrk") + 1])
        ours, theirs = socket.socketpair()
        criu_pid, client_pid = os.getpid(), os.getppid()
        child = os.fork()
        if child == 0:
            # No child of CRIU's, who would meet it in a wait().
            if os.fork() == 0:
                try:
                    be_proxy(number, theirs.fileno(), criu_pid, client_pid)
                except Exception:
                    with open(os.environ["FAULT_LOG"] + ".trace", "a") as file:
                        traceback.print_exc(file=file)
            os._exit(0)
        os.waitpid(child, 0)
        theirs.close()
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        os.dup2(descriptors[0], number)
        os.set_inheritable(number, True)
    for changed_by_python in signal.SIGPIPE, signal.SIGXFSZ:
        signal.signal(changed_by_python, signal.SIG_DFL)
    os.execv(real, [real] + sys.argv[1:])


main()
