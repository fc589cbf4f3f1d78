"""One Python process with a bit of everything: threads, timers, pipes with data in flight, epoll,
signalfd, inotify, eventfd. Each checks itself in every round. SIGUSR1 is one piece of work.
usage: everything.py STATUS WATCHED_DIR"""

import ctypes
import os
import select
import signal
import struct
import sys
import threading
import time

STATUS, WATCHED = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
NONCE = os.urandom(8).hex()
counters = {name: 0 for name in "main timerfd itimer timer_thread epoll signalfd inotify eventfd pipe work".split()}
errors = set()


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "system call failed")
    return result


def expect(condition, name):
    if not condition:
        errors.add(name)


def count_in_thread(name):
    """A number in a thread's own frame must always agree with the shared one."""
    own = 0
    while True:
        expect(counters[name] == own, name)
        own += 1
        counters[name] = own
        time.sleep(0.02)


def start_timer():
    """A chain of threading.Timer: each one starts the next."""
    counters["timer_thread"] += 1
    timer = threading.Timer(0.05, start_timer)
    timer.daemon = True
    timer.start()


def on_itimer(number, frame):
    counters["itimer"] += 1


def signalfd(number):
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    mask = (ctypes.c_ulong * 16)(1 << (number - 1))
    return checked(libc.signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC))


def timerfd(milliseconds):
    fd = checked(libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK))
    nanoseconds = milliseconds * 1000000
    checked(libc.timerfd_settime(fd, 0, struct.pack("llll", 0, nanoseconds, 0, nanoseconds), None))
    return fd


# Signals are blocked before any thread starts, so that only the signalfd gets them.
work_fd = signalfd(signal.SIGUSR1)
signal.signal(signal.SIGALRM, on_itimer)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
timer_fd = timerfd(30)
event_fd = os.eventfd(0, os.EFD_NONBLOCK)
inotify_fd = checked(libc.inotify_init1(os.O_NONBLOCK))
IN_CLOSE_WRITE = 8
checked(libc.inotify_add_watch(inotify_fd, WATCHED.encode(), IN_CLOSE_WRITE))
pipe_out, pipe_in = os.pipe()
os.write(pipe_in, struct.pack("Q", 0) + b"x" * 30000)  # from now on there is always something in the pipe

epoll = select.epoll()
for fd in work_fd, timer_fd, event_fd, inotify_fd:
    epoll.register(fd, select.EPOLLIN)
for thread in range(8):
    counters[f"thread{thread}"] = 0
    threading.Thread(target=count_in_thread, args=[f"thread{thread}"], daemon=True).start()
start_timer()

while True:
    counters["main"] += 1
    os.eventfd_write(event_fd, counters["main"])
    for fd, _ in epoll.poll(0.02):
        counters["epoll"] += 1
        if fd == timer_fd:
            counters["timerfd"] += struct.unpack("Q", os.read(fd, 8))[0]
        elif fd == event_fd:
            counters["eventfd"] += 1
            expect(os.eventfd_read(fd) == counters["main"], "eventfd")
        elif fd == inotify_fd:
            os.read(fd, 4096)
            counters["inotify"] += 1
        elif fd == work_fd:
            os.read(fd, 128)
            counters["signalfd"] += 1
            counters["work"] += 1
    number = struct.unpack("Q", os.read(pipe_out, 8))[0]
    filler = os.read(pipe_out, 30000)
    expect(number == counters["pipe"] and filler == b"x" * 30000, "pipe")
    counters["pipe"] += 1
    os.write(pipe_in, struct.pack("Q", counters["pipe"]) + b"x" * 30000)
    with open(STATUS + ".new", "w", encoding="ascii") as file:
        words = " ".join(f"{name}={value}" for name, value in counters.items())
        print(f"{words} nonce={NONCE} errors={','.join(sorted(errors)) or 'none'}", file=file)
    os.rename(STATUS + ".new", STATUS)
