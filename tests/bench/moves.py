"""Moves to a second host by stasis, and by hand: runc checkpoint, rsync, runc restore, over the same ssh."""
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command_line  # noqa: E402
import measure  # noqa: E402
from containers import Container  # noqa: E402

RSYNC_VANISHED = 24  # a file went away between its listing and its copy


def parse_arguments():
    # Here --stasis is its command line up to the host that is moved to.
    parser = command_line.parser("--move", __doc__)
    command_line.add_containers(parser)
    parser.add_argument("--ssh", required=True, help="the command line of ssh up to the host")
    parser.add_argument("--host", required=True)
    parser.add_argument("--there", required=True, help="a command line that runs what follows on the other host")
    parser.add_argument("--files-there", required=True, help="where its folder of bundles is seen from here")
    parser.add_argument("--memory", type=int, required=True, metavar="MIB", help="of the largest container")
    return parser.parse_args()


class Move:
    def __init__(self, arguments, container):
        self.arguments = arguments
        self.container = container
        self.there = shlex.split(arguments.there) + container.runc
        self.bundle_there = os.path.join(arguments.files_there, container.name)

    def take_turn(self):
        self.container.start()
        measure.sync_ms()
        measure.warm(6 * self.arguments.memory << 20)  # two hosts on one machine, with images and page caches
        figures = self.move()
        self._check()
        measure.run(self.there + ["delete", "--force", self.container.name])
        shutil.rmtree(self.bundle_there)
        return figures

    def _check(self):
        """What it counts there goes on from where it was here."""
        there = Container(self.arguments.runc_root, self.container.name, self.bundle_there)
        before, here = int(there.status()["counter"]), int(self.container.status()["counter"])
        there.wait_until(lambda: int(there.status()["counter"]) > max(before, here), "go on there")
        os.remove(self.container.status_file)


class ByStasis(Move):
    label = "stasis"
    options = []

    def move(self):
        command = shlex.split(self.arguments.stasis)
        run = measure.run(command[:1] + ["--json"] + command[1:] + [self.container.target, self.arguments.host]
                          + self.options)
        report = json.loads(run.output[run.output.index("{"):])  # after the warnings
        return {"down_ms": report["downtime_us"] / 1e3, "total_ms": run.milliseconds, "bytes": report["bytes_sent"],
                "phases": {phase["name"]: phase["us"] / 1e3 for phase in report["phases"]}}


class ByPostCopy(ByStasis):
    label = "post-copy"
    options = ["--mode", "post-copy"]


class ByHand(Move):
    label = "by hand"

    def move(self):
        """The files are brought over before; it is down from the checkpoint to the restore."""
        began = time.monotonic()
        images = os.path.join(self.container.bundle, "images")
        self._copy(accepted=(0, RSYNC_VANISHED))  # it runs on
        stopped = time.monotonic()
        measure.run(self.container.runc + ["checkpoint", "--image-path", images, "--file-locks", self.container.name])
        self._copy()
        measure.run(self.there + ["restore", "--detach", "--bundle", self.container.bundle, "--image-path", images,
                                  "--file-locks", self.container.name], detaches=True)
        ended = time.monotonic()
        size = measure.tree_bytes(self.container.bundle)
        shutil.rmtree(images)
        return {"down_ms": (ended - stopped) * 1e3, "total_ms": (ended - began) * 1e3, "bytes": size}

    def _copy(self, accepted=(0,)):
        measure.run(["rsync", "-aHAXS", "--numeric-ids", "--rsh", self.arguments.ssh, self.container.bundle,
                     f"{self.arguments.host}:{os.path.dirname(self.container.bundle)}/"],
                    accepted=accepted)


def ssh_ms(arguments, size):
    """How long ssh takes for as many bytes."""
    began = time.monotonic()
    command = shlex.split(arguments.ssh) + [arguments.host, "cat >/dev/null"]
    with subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE) as source:
        subprocess.run(command, stdin=source.stdout, check=True)
    return (time.monotonic() - began) * 1e3


def measure_container(arguments, label, name, bundle):
    container = Container(arguments.runc_root, name, bundle)
    engines = [ByStasis(arguments, container), ByPostCopy(arguments, container), ByHand(arguments, container)]
    samples = {engine.label: [] for engine in engines}
    for number in range(arguments.rounds + 1):
        for engine in engines if number % 2 else reversed(engines):
            figures = engine.take_turn()
            if number > 0:  # the first is to warm up
                samples[engine.label].append(figures)
    print(f"\n{label}: medians of {arguments.rounds} rounds\n{'':10}{'down ms':>10}{'total ms':>10}{'MiB':>8}")
    for engine, found in samples.items():
        down, total, size = (statistics.median(one[key] for one in found) for key in ("down_ms", "total_ms", "bytes"))
        print(f"{engine:10}{down:10.0f}{total:10.0f}{size / (1 << 20):8.0f}")
        if "phases" in found[0]:
            print(" " * 10 + ", ".join(f"{name} {statistics.median(one['phases'][name] for one in found):.0f}"
                                       for name in found[0]["phases"]))
        if engine == "stasis":
            print(f"{'ssh alone':10}{'':10}{ssh_ms(arguments, int(size)):10.0f}{size / (1 << 20):8.0f}", flush=True)


def main():
    arguments = parse_arguments()
    for container in arguments.container:
        measure_container(arguments, *container)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
