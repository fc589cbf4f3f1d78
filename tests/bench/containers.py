"""The containers that are measured: their life, and the proof that they still work."""
import json
import os
import select
import signal
import subprocess
import time

import measure

PATIENCE_S = 60


class Program:
    """One program of tests/targets, which keeps a line of `key=value` words in a file."""

    def __init__(self, name, status_file):
        self.name = name
        self.status_file = status_file

    def status(self):
        with open(self.status_file, encoding="ascii") as file:
            return dict(word.split("=") for word in file.read().split())

    def check(self, pid):
        """Every program counts, in what it writes, how often it was told to; the rest must stay as it was."""
        before = self.status()
        counts = "checks" if "checks" in before else "work"  # `memory` reads all its memory again, `counter` counts
        os.kill(pid, signal.SIGUSR2 if counts == "checks" else signal.SIGUSR1)
        self.wait_until(lambda: int(self.status()[counts]) == int(before[counts]) + 1, "go on")
        after = self.status()
        for key in {"nonce", "sum"} & before.keys():
            if before[key] != after[key]:
                raise RuntimeError(f"{self.name} is not as it was: {key}={after[key]}, before {key}={before[key]}")

    def wait_until(self, true, what):
        limit = time.monotonic() + PATIENCE_S
        while not true():
            if time.monotonic() > limit:
                raise RuntimeError(f"{self.name} does not {what}")
            time.sleep(0.01)

    def _wait_for_start(self):
        self.wait_until(lambda: os.path.exists(self.status_file), "start")


class Container(Program):
    """One of runc."""

    def __init__(self, runc_root, name, bundle):
        self.rootfs = os.path.join(bundle, "rootfs")
        super().__init__(name, os.path.join(self.rootfs, "status"))
        self.runc = ["runc", "--root", runc_root]
        self.bundle = bundle
        self.target = "runc:" + name
        self.stasis_options = ["--runc-root", runc_root]

    def start(self):
        measure.run(self.runc + ["run", "--detach", "--bundle", self.bundle, self.name], detaches=True)
        self._wait_for_start()

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

    def work(self):
        """Has it change something: `memory` a fiftieth of what it holds."""
        before = self.status()["work"]
        os.kill(self.pid(), signal.SIGUSR1)
        self.wait_until(lambda: self.status()["work"] != before, "work")


class PodmanContainer(Program):
    """One of podman, without a network; its program's file is in a volume."""
    stasis_options = []

    def __init__(self, name, cgroup, folder, mebibytes):
        super().__init__(name, os.path.join(folder, "status"))
        self.target = "podman:" + name
        self.command = ["podman", "run", "--detach", "--name", name, "--network", "none", "--cgroup-parent", cgroup,
                        "--volume", folder + ":/data", "box", "/bin/memory", "/data/status", str(mebibytes), "50"]

    def start(self):
        measure.run(self.command)
        self._wait_for_start()

    def pid(self):
        return int(subprocess.check_output(["podman", "container", "inspect", "--format", "{{.State.Pid}}", self.name]))

    def end(self):
        """podman forgets it."""
        measure.run(["podman", "rm", "--force", "--time", "0", self.name])


class LxcContainer(Program):
    """One of LXC, whose folder is there already."""

    def __init__(self, name, path):
        super().__init__(name, os.path.join(path, name, "rootfs", "status"))
        self.path = path
        self.target = "lxc:" + name
        self.stasis_options = ["--lxc-path", path]

    def start(self):
        measure.run(self._command("lxc-start", "--daemon"), detaches=True)
        self._wait_for_start()

    def pid(self):
        return int(subprocess.check_output(self._command("lxc-info", "--no-humanize", "--pid")))

    def end(self):
        """Its folder stays."""
        measure.run(self._command("lxc-stop", "--kill"))

    def _command(self, tool, *more):
        return [tool, "--lxcpath", self.path, "--name", self.name, *more]
