"""Snapshots of a tiny container with many files, beside bare criu and an rsync of its files."""
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command_line  # noqa: E402
import measure  # noqa: E402
from containers import Container  # noqa: E402
from engines import CriuAndRsync, Stasis  # noqa: E402

IN_FOLDER = 1000
CHANGED = 100
OPERATIONS = ("first", "second")


def parse_arguments():
    parser = command_line.parser_beside_criu("--files", __doc__)
    parser.add_argument("--files", type=int, required=True)
    return parser.parse_args()


def path_of(rootfs, number):
    return os.path.join(rootfs, "many", str(number // IN_FOLDER), str(number % IN_FOLDER))


def write(rootfs, numbers):
    for number in numbers:
        with open(path_of(rootfs, number), "wb") as file:
            file.write(os.urandom(1024))


def take_turn(engine, files):
    """A snapshot, and another one after a few files have changed."""
    figures = {}
    for operation in OPERATIONS:
        measure.sync_ms()
        figures[operation] = engine.snapshot()
        write(engine.container.rootfs, range(0, files, files // CHANGED))
    engine.clear()
    return figures


def main():
    arguments = parse_arguments()
    _, name, bundle = arguments.container[0]
    container = Container(arguments.runc_root, name, bundle)
    for folder in range(0, arguments.files, IN_FOLDER):
        os.makedirs(os.path.dirname(path_of(container.rootfs, folder)))
    write(container.rootfs, range(arguments.files))
    container.start()
    stasis = Stasis(arguments.stasis, os.path.join(arguments.work, "store"), container)
    engines = [stasis, CriuAndRsync(arguments.criu, arguments.work, container, stasis.chosen_options())]
    samples = {engine.label: [] for engine in engines}
    for number in range(arguments.rounds + 1):
        for engine in engines if number % 2 else reversed(engines):
            figures = take_turn(engine, arguments.files)
            if number > 0:  # the first is to warm up
                samples[engine.label].append(figures)
    container.end(container.pid())
    print(f"{arguments.files} files, {CHANGED} of them changed before the second: medians of {arguments.rounds} rounds\n"
          f"{'':24}{'frozen ms':>12}{'synced ms':>12}")
    for operation in OPERATIONS:
        for label, found in samples.items():
            freeze, synced = (statistics.median(one[operation][key] for one in found)
                              for key in ("freeze_ms", "synced_ms"))
            print(f"{operation:8}{label:16}{freeze:12.0f}{synced:12.0f}")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"bench: {error}")
