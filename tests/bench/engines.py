"""The ways to dump and restore a container that are measured against each other.

All use the same CRIU with the options that stasis chose and its most talkative log. Each operation returns a
dictionary of figures, times in milliseconds and sizes in bytes; restore also the pid of what it restored.
"""
import json
import os
import shutil
import subprocess

import measure


def dump_figures(run, freeze_ms, criu_frozen_ms, folder):
    """The last figure of a dump is what the disk still owes it."""
    return {
        "freeze_ms": freeze_ms,
        "criu_frozen_ms": criu_frozen_ms,
        "total_ms": run.milliseconds,
        "synced_ms": run.milliseconds + measure.sync_ms(),
        "bytes": measure.tree_bytes(folder),
        "peak_rss_bytes": run.peak_rss_kib * 1024,
    }


def restore_figures(run):
    return {"total_ms": run.milliseconds, "peak_rss_bytes": run.peak_rss_kib * 1024}


class Stasis:
    def __init__(self, program, store, container, label="stasis", options=()):
        self.label = label
        self.is_whole = not options  # with its files, so that it can be restored twice
        self.container = container
        self.options = list(options)
        self.target = container.target
        self.command = [program, "--store", store, *container.stasis_options, "--json"]

    def snapshot(self):
        return self._dump("snapshot")

    def stop(self):
        return self._dump("stateful-stop")

    def restore(self):
        run = measure.run(self.command + ["restore", self.target])
        return restore_figures(run), json.loads(run.output)["pid"]

    def restore_lazily(self):
        """As soon as can be: unverified."""
        run = measure.run(self.command + ["restore", self.target, "--lazy", "--no-verify"])
        result = json.loads(run.output)
        if not result["lazy"]:
            raise RuntimeError(f"{self.target} was not restored lazily: {result['warnings']}")
        return {**restore_figures(run), "running_ms": result["running_us"] / 1e3}, result["pid"]

    def clear(self):
        """Nothing of one round may be there to help or hinder in the next."""
        for entry in self._json("list")["checkpoints"]:
            measure.run(self.command + ["delete", self.target, entry["checkpoint"]])

    def chosen_options(self):
        """[(key, value)] of the CRIU options that this container needs."""
        options = self._json("snapshot", self.target, "--rootfs", "none")["options"]
        self.clear()
        return [(option["key"], option["value"]) for option in options]

    def _dump(self, command):
        run = measure.run(self.command + [command, self.target] + self.options)
        result = json.loads(run.output)
        figures = dump_figures(run, result["freeze_us"] / 1e3, result["criu_frozen_us"] / 1e3, result["path"])
        figures["peak_rss_bytes"] -= result["buffer_bytes"]
        figures["written_bytes"] = result["bytes_written"]
        figures["cpu_ms"] = run.cpu_ms
        return figures

    def _json(self, *words):
        return json.loads(measure.run([*self.command, *words]).output)


class Runc:
    """Leaves out what is in the network namespace (its default --empty-ns network), in dump and restore."""
    label = "runc"
    is_whole = False

    def __init__(self, work, container, chosen):
        self.container = container
        self.images = os.path.join(work, container.name + ".images")
        self.logs = os.path.join(work, container.name + ".logs")
        configuration = os.path.join(work, container.name + ".criu.conf")
        # What runc has no flag for; it finds the mounts from outside itself.
        with open(configuration, "w", encoding="utf-8") as file:
            for key, value in chosen:
                if key in ("evasive-devices", "link-remap", "skip-in-flight", "network-lock"):
                    file.write(f"{key} {value}\n")
        self.environment = {**os.environ, "CRIU_CONFIG_FILE": configuration}
        self.flags = ["--image-path", self.images, "--work-path", self.logs,
                      "--tcp-established", "--file-locks", "--manage-cgroups-mode", "soft"]

    def snapshot(self):
        return self._dump("--leave-running")

    def stop(self):
        return self._dump()

    def restore(self):
        words = ["restore", "--detach", "--bundle", self.container.bundle, *self.flags, self.container.name]
        run = measure.run(self.container.runc + words, self.environment, os.path.join(self.logs, "restore.log"),
                          detaches=True)
        return restore_figures(run), self.container.pid()

    def clear(self):
        shutil.rmtree(self.images, ignore_errors=True)
        shutil.rmtree(self.logs, ignore_errors=True)

    def _dump(self, *more):
        self.clear()
        words = ["checkpoint", *more, *self.flags, self.container.name]
        run = measure.run(self.container.runc + words, self.environment, os.path.join(self.logs, "dump.log"))
        frozen = measure.criu_frozen_ms(os.path.join(self.logs, "stats-dump"))
        return dump_figures(run, frozen, frozen, self.images)


class Criu:
    label = "bare criu"
    is_whole = False

    def __init__(self, program, work, container, chosen):
        self.program = program
        self.container = container
        self.images = os.path.join(work, container.name + ".images")
        self.root = os.path.join(work, container.name + ".root")
        self.dump_options = []
        self.restore_options = ["--root", self.root]
        for key, value in chosen:
            self._add(key, value)

    def snapshot(self):
        return self._dump("--leave-running")

    def stop(self):
        return self._dump()

    def restore(self):
        pid_file = os.path.join(self.images, "restored.pid")
        os.makedirs(self.root, exist_ok=True)
        subprocess.check_call(["mount", "--bind", self.container.rootfs, self.root])  # CRIU wants a mount
        try:
            run = measure.run(
                [self.program, "restore", "--restore-detached", "--pidfile", pid_file, "--images-dir", self.images,
                 "--log-file", "restore.log", "-v4", *self.restore_options],
                log=os.path.join(self.images, "restore.log"), detaches=True)
        finally:
            subprocess.check_call(["umount", "--lazy", self.root])
        with open(pid_file, encoding="ascii") as file:
            return restore_figures(run), int(file.read())

    def clear(self):
        shutil.rmtree(self.images, ignore_errors=True)

    def _add(self, key, value):
        if key == "orphan-pts-master":  # exists over RPC only
            return
        if key == "external" and value.startswith("mnt["):
            mount_point, name = value[len("mnt["):].split("]:")
            source = name if name == "/dev/null" else self.container.host_path(mount_point)
            self.restore_options += ["--external", f"mnt[{name}]:{source}"]
        key = {"cgroup-mode": "manage-cgroups"}.get(key, key)
        words = [f"--{key}={value}" if value else f"--{key}"]
        self.dump_options += words
        if key not in ("external", "root"):
            self.restore_options += words

    def _dump(self, *more):
        self.clear()
        os.makedirs(self.images)
        run = measure.run([self.program, "dump", "--tree", str(self.container.pid()), "--images-dir", self.images,
                           "--log-file", "dump.log", "-v4", *self.dump_options, *more],
                          log=os.path.join(self.images, "dump.log"))
        frozen = measure.criu_frozen_ms(os.path.join(self.images, "stats-dump"))
        return dump_figures(run, frozen, frozen, self.images)


class CriuAndRsync(Criu):
    """What a script without stasis does to keep the files as well; they go on changing between the two."""
    label = "criu, then rsync"

    def _dump(self, *more):
        figures = super()._dump(*more)
        copy = os.path.join(self.images, "rootfs")
        run = measure.run(["rsync", "-aHAXSx", "--numeric-ids", self.container.rootfs + "/", copy + "/"])
        figures["total_ms"] += run.milliseconds
        figures["synced_ms"] += run.milliseconds + measure.sync_ms()
        figures["bytes"] = measure.tree_bytes(self.images)
        return figures
