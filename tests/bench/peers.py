"""Snapshots, stops and restores by stasis beside those of the engines themselves, on the same container."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command_line  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from containers import LxcContainer, PodmanContainer  # noqa: E402
from engines import Stasis, dump_figures, restore_figures  # noqa: E402

OPERATIONS = ("snapshot", "stop", "restore")


class Podman:
    """Into an archive that is not compressed: in place, podman keeps one checkpoint alone."""
    label = "podman checkpoint"

    def __init__(self, work, container):
        self.container = container
        self.archive = os.path.join(work, container.name + ".tar")

    def snapshot(self):
        return self._dump("--leave-running")

    def stop(self):
        figures = self._dump()
        self.container.end()
        return figures

    def restore(self):
        return restore_figures(measure.run(["podman", "container", "restore", "--import", self.archive]))

    def clear(self):
        if os.path.exists(self.archive):
            os.remove(self.archive)

    def _dump(self, *more):
        self.clear()
        run = measure.run(["podman", "container", "checkpoint", "--print-stats", "--compress", "none", "--export",
                           self.archive, *more, self.container.name])
        statistics = json.loads(run.output)["container_statistics"][0]["criu_statistics"]
        frozen_ms = statistics["frozen_time"] / 1e3
        return dump_figures(run, frozen_ms, frozen_ms, self.archive)


class Lxc:
    """Leaves out the container's files."""
    label = "lxc-checkpoint"

    def __init__(self, work, container):
        self.container = container
        self.images = os.path.join(work, container.name + ".images")

    def snapshot(self):
        return self._dump()

    def stop(self):
        return self._dump("--stop")

    def restore(self):
        return restore_figures(measure.run(self._command("--restore", "--daemon"), detaches=True))

    def clear(self):
        shutil.rmtree(self.images, ignore_errors=True)

    def _command(self, *more):
        return ["lxc-checkpoint", "--lxcpath", self.container.path, "--name", self.container.name, "--checkpoint-dir",
                self.images, *more]

    def _dump(self, *more):
        self.clear()
        os.makedirs(self.images)
        run = measure.run(self._command(*more))
        frozen_ms = measure.criu_frozen_ms(os.path.join(self.images, "stats-dump"))
        return dump_figures(run, frozen_ms, frozen_ms, self.images)


def parse_arguments():
    parser = command_line.parser("--peers", __doc__)
    parser.add_argument("--memory", type=int, required=True, metavar="MIB")
    parser.add_argument("--podman", nargs=3, metavar=("NAME", "CGROUP", "FOLDER"))
    parser.add_argument("--lxc", nargs=2, metavar=("NAME", "LXCPATH"))
    return parser.parse_args()


def take_turn(engine, memory):
    engine.container.start()
    figures = {}
    for operation in OPERATIONS:
        measure.sync_ms()
        measure.warm(memory)
        figures[operation] = getattr(engine, operation)()
    engine.container.check(engine.container.pid())
    engine.container.end()
    os.remove(engine.container.status_file)
    engine.clear()
    return figures


class StasisOf(Stasis):
    def restore(self):
        return super().restore()[0]


def measure_peer(arguments, container, peer):
    engines = [StasisOf(arguments.stasis, os.path.join(arguments.work, "store"), container),
               peer(arguments.work, container)]
    results = {operation: {engine.label: [] for engine in engines} for operation in OPERATIONS}
    for number in range(arguments.rounds + 1):
        for engine in engines if number % 2 else reversed(engines):
            for operation, figures in take_turn(engine, 3 * arguments.memory << 20).items():
                if number > 0:  # the first is to warm up
                    results[operation][engine.label].append(figures)
    return results


def main():
    arguments = parse_arguments()
    results = {}
    if arguments.podman:
        container = PodmanContainer(*arguments.podman, arguments.memory)
        results[f"podman, {arguments.memory} MiB"] = measure_peer(arguments, container, Podman)
    if arguments.lxc:
        results[f"LXC, {arguments.memory} MiB"] = measure_peer(arguments, LxcContainer(*arguments.lxc), Lxc)
    report.print_table(results)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
