"""Measures stasis beside bare criu and runc on containers for which scripts/bench has made the bundles."""
import json
import os
import platform
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command_line  # noqa: E402
import look  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from containers import Container  # noqa: E402
from engines import Criu, CriuAndRsync, Runc, Stasis  # noqa: E402

OPERATIONS = ("snapshot", "second snapshot", "stop", "restore", "lazy restore")


def parse_arguments():
    parser = command_line.parser_beside_criu("", __doc__)
    parser.add_argument("--memory", type=command_line.positive, required=True, metavar="MIB", help="of the large one")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def make_engines(arguments, container):
    store = os.path.join(arguments.work, "store")
    stasis = Stasis(arguments.stasis, store, container)
    container.start()
    chosen = stasis.chosen_options()
    engines = [stasis,
               Stasis(arguments.stasis, store, container, "stasis --rootfs none", ["--rootfs", "none"]),
               Criu(arguments.criu, arguments.work, container, chosen),
               CriuAndRsync(arguments.criu, arguments.work, container, chosen),
               Runc(arguments.work, container, chosen)]
    container.end(container.pid())
    return engines


def take_turn(engine, memory):
    """{operation: figures}, on a container started for it, so that all find the same."""
    engine.container.start()
    figures = {}
    measure.sync_ms()  # what others left to be written is not this one's affair
    measure.warm(memory)
    figures["snapshot"] = engine.snapshot()
    if engine.is_whole:
        engine.container.work()
        measure.warm(memory)
        figures["second snapshot"] = engine.snapshot()
    engine.clear()
    measure.warm(memory)
    figures["stop"] = engine.stop()
    restores = {"restore": engine.restore}
    if engine.is_whole:
        restores["lazy restore"] = engine.restore_lazily
    for operation, restore in restores.items():
        measure.warm(memory)
        figures[operation], pid = restore()
        engine.container.check(pid)
        engine.container.end(pid)
    engine.clear()
    return figures


def first_line(command):
    return subprocess.check_output(command, text=True).splitlines()[0]


def describe_machine(arguments):
    return {
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load_before": os.getloadavg(),
        "stasis": first_line([arguments.stasis, "--version"]),
        "criu": "criu " + first_line([arguments.criu, "--version"]).split()[-1],
        "runc": first_line(["runc", "--version"]),
    }


def measure_container(arguments, label, name, bundle):
    container = Container(arguments.runc_root, name, bundle)
    warmed = 3 * arguments.memory << 20  # the container's, its images, and what a snapshot holds
    engines = make_engines(arguments, container)
    results = {operation: {engine.label: [] for engine in engines} for operation in OPERATIONS}
    for number in range(arguments.rounds + 1):
        print(f"{label}: {f'round {number} of {arguments.rounds}' if number else 'warming up'}", file=sys.stderr)
        first = number % len(engines)
        for engine in engines[first:] + engines[:first]:
            for operation, figures in take_turn(engine, warmed).items():
                if number > 0:
                    results[operation][engine.label].append(figures)
    return results


def main():
    arguments = parse_arguments()
    machine = describe_machine(arguments)
    results = {label: measure_container(arguments, label, name, bundle)
               for label, name, bundle in arguments.container}
    look_ms = {descriptors: look.measure(arguments.stasis, os.path.join(arguments.work, "store"), arguments.work,
                                         arguments.rounds, descriptors) for descriptors in (10, 500)}
    machine["load_after"] = os.getloadavg()
    print(f"{machine['stasis']}, {machine['criu']}, {machine['runc']}; kernel {machine['kernel']}, "
          f"{machine['cpus']} CPUs,\nload {machine['load_before'][0]:.1f} before, {machine['load_after'][0]:.1f} after; "
          f"{arguments.rounds} rounds, in which all take turns")
    report.print_table(results)
    found = report.targets(results, *list(results)[:2], look_ms)
    report.print_targets(found)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "rounds": arguments.rounds, "results": results, "targets": found}, file,
                      indent=1)
            file.write("\n")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"bench: {error}")
