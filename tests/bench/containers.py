"""The runc containers that are measured: their life, and the proof that they still work."""
import json
import os
import select
import signal
import subprocess
import time

import measure

PATIENCE_S = 60


class Container:
    """One program of tests/targets, which keeps a line of `key=value` words in its file /status."""

    def __init__(self, runc_root, name, bundle):
        self.runc = ["runc", "--root", runc_root]
        self.name = name
        self.bundle = bundle
        self.rootfs = os.path.join(bundle, "rootfs")
        self.status_file = os.path.join(self.rootfs, "status")

    def start(self):
        measure.run(self.runc + ["run", "--detach", "--bundle", self.bundle, self.name], detaches=True)
        self._wait_until(lambda: os.path.exists(self.status_file), "start")

    def end(self, pid):
        """Also where runc does not know of the process, for it was CRIU that restored it."""
        descriptor = os.pidfd_open(pid)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [])
        os.close(descriptor)
        measure.run(self.runc + ["delete", "--force", self.name])
        os.remove(self.status_file)

    def pid(self):
        return json.loads(subprocess.check_output(self.runc + ["state", self.name]))["pid"]

    def status(self):
        with open(self.status_file, encoding="ascii") as file:
            return dict(word.split("=") for word in file.read().split())

    def mounts(self, pid="self"):
        """(device, root, mount point) of each mount that the process sees."""
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
            return [tuple(line.split()[2:5]) for line in file]

    def host_path(self, mount_point):
        """Where on the host the folder lies that is mounted there in the container."""
        device, root, _ = next(mount for mount in self.mounts(self.pid()) if mount[2] == mount_point)
        for host_device, host_root, host_point in self.mounts():
            if host_device == device and host_root == "/":
                return host_point.rstrip("/") + root
        raise RuntimeError(f"no host path for the mount {mount_point} of {self.name}")

    def check(self, pid):
        """Every program counts, in what it writes, how often it was told to; the rest must stay as it was."""
        before = self.status()
        counts = "checks" if "checks" in before else "work"  # `memory` reads all its memory again, `counter` counts
        os.kill(pid, signal.SIGUSR2 if counts == "checks" else signal.SIGUSR1)
        self._wait_until(lambda: int(self.status()[counts]) == int(before[counts]) + 1, "go on")
        after = self.status()
        for key in {"nonce", "sum"} & before.keys():
            if before[key] != after[key]:
                raise RuntimeError(f"{self.name} is not as it was: {key}={after[key]}, before {key}={before[key]}")

    def work(self):
        """Has it change something: `memory` a fiftieth of what it holds."""
        before = self.status()["work"]
        os.kill(self.pid(), signal.SIGUSR1)
        self._wait_until(lambda: self.status()["work"] != before, "work")

    def _wait_until(self, true, what):
        limit = time.monotonic() + PATIENCE_S
        while not true():
            if time.monotonic() > limit:
                raise RuntimeError(f"{self.name} does not {what}")
            time.sleep(0.01)
