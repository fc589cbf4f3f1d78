"""How long `stasis check` looks at a large tree: 50 processes with descriptors of all common kinds."""
import json
import os
import signal
import socket
import statistics
import subprocess
import time

PROCESSES = 50


def _hold_descriptors(folder, count):
    kept = []
    while len(os.listdir("/proc/self/fd")) < count:
        kept += [open("/etc/passwd", "rb"), open(os.path.join(folder, "look.log"), "ab"), os.pipe(), os.eventfd(0)]
        kept += [*socket.socketpair(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
    return kept


def _start_tree(folder, descriptors):
    """Its root's pid, once all of it is there."""
    ready, done = os.pipe()
    root = os.fork()
    if root == 0:
        os.setsid()
        os.close(ready)
        # Nothing of what the bench itself holds, a terminal for example, may be in the way.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        os.closerange(3, done)
        os.closerange(done + 1, 1024)
        for _ in range(PROCESSES - 1):
            if os.fork() == 0:
                break
        kept = _hold_descriptors(folder, descriptors)
        os.write(done, b"x")
        os.close(done)
        signal.pause()
        os._exit(len(kept))
    os.close(done)
    count = 0
    while count < PROCESSES:
        got = os.read(ready, PROCESSES)
        if not got:
            raise RuntimeError("the tree for the look did not start")
        count += len(got)
    os.close(ready)
    return root


def measure(stasis, store, folder, rounds, descriptors):
    """Median milliseconds of `rounds` looks at processes with so many descriptors each."""
    root = _start_tree(folder, descriptors)
    try:
        samples = []
        for _ in range(rounds + 1):
            command = [stasis, "--store", store, "--json", "check", f"pid:{root}"]
            answer = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)
            if answer["blockers"] or answer["tasks"] != PROCESSES:
                raise RuntimeError(f"the look saw something else: {answer['tasks']} tasks, {answer['blockers'][:1]}")
            samples.append(answer["look_us"] / 1000)
        return statistics.median(samples[1:])
    finally:
        os.killpg(root, signal.SIGKILL)
        os.waitpid(root, 0)
        time.sleep(0.1)  # the others are reaped by init
