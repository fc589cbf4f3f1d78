"""Runs one command and says what it cost; reads what CRIU and the file system say about a dump."""
import mmap
import os
import select
import subprocess
import tempfile
import time
from dataclasses import dataclass

RSS_POLL_MS = 5
TIME_LIMIT_S = 600


@dataclass
class Run:
    milliseconds: float
    peak_rss_kib: int
    cpu_ms: float  # of its own process, without its children's
    output: str


def run(command, environment=None, log=None, detaches=False, accepted=(0,)):
    """The command from its start to its end, with an exit status that is accepted.

    Of one that fails the errors of CRIU's log are quoted as well.

    A container that a command leaves behind keeps its descriptors: they must be no files of ours then.

    Its peak memory is that of its own process. wait4 can't tell: its ru_maxrss takes in the command's
    own children (CRIU, rsync), and what the child shared with us before its exec. So the high-water mark
    of /proc is read again and again; what is added in the last few milliseconds is missed.
    """
    with tempfile.TemporaryFile() as file:
        out = subprocess.DEVNULL if detaches else file
        began = time.monotonic()
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment) as process:
            peak = _wait(process.pid, began + TIME_LIMIT_S)
            ended = time.monotonic()
            cpu_ms = _cpu_ms(process.pid)  # not yet reaped
        file.seek(0)
        output = file.read().decode(errors="replace")
    if process.returncode not in accepted:
        raise _failed(command, process.returncode, output, log)
    return Run((ended - began) * 1e3, peak, cpu_ms, output)


def _wait(pid, limit):
    descriptor = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        peak = _high_water_kib(pid)
        while not poller.poll(RSS_POLL_MS):
            peak = max(peak, _high_water_kib(pid))
            if time.monotonic() > limit:
                raise RuntimeError(f"pid {pid} has not ended in {TIME_LIMIT_S} s")
        return peak
    finally:
        os.close(descriptor)


def _cpu_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")  # utime and stime


def _high_water_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0  # it has ended: a zombie has no memory


def _failed(command, status, output, log):
    if log and os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as lines:
            output += "".join(line for line in lines if "Error (" in line)
    return RuntimeError(f"exit status {status}: {' '.join(command)}\n{output}")


def criu_frozen_ms(stats_file):
    """The time in which all tasks stood still, as CRIU itself measured it."""
    header = 12  # two magic numbers and the length of the one message that follows
    with open(stats_file, "rb") as file:
        message = file.read()[header:]
    return _fields(_fields(message)[1])[2] / 1e3  # stats_entry.dump, dump_stats_entry.frozen_time


def _fields(message):
    """{number: value} of a protobuf message of integers and nested messages."""
    found, at = {}, 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == 2:  # not the value, but its length
            value, at = message[at:at + value], at + value
        found[key >> 3] = value
    return found


def _varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def warm(size):
    """Has the machine's memory taken and given back: in a virtual machine each page costs a hundred times more when it
    is touched for the first time, and again when it was free for seconds (free page reporting)."""
    MADV_POPULATE_WRITE = 23
    with open("/proc/meminfo", encoding="ascii") as lines:
        available = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    size = min(size, available // 10 * 9 // mmap.PAGESIZE * mmap.PAGESIZE)
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        memory.madvise(MADV_POPULATE_WRITE)


def sync_ms():
    """How long it takes until everything is on the disk."""
    began = time.monotonic()
    os.sync()
    return (time.monotonic() - began) * 1e3


def tree_bytes(folder):
    """What a checkpoint takes, a file or a folder, without the logs of its making."""
    if os.path.isfile(folder):
        return os.path.getsize(folder)
    total = 0
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "logs"]
        total += sum(os.lstat(os.path.join(path, name)).st_size for name in files if not name.endswith(".log"))
    return total
