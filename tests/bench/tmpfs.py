"""Snapshots of a tiny container with much in a tmpfs, beside bare criu, which has gzip pack it."""
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command_line  # noqa: E402
import measure  # noqa: E402
from containers import Container  # noqa: E402
from engines import Criu, Stasis  # noqa: E402

RANDOM = "random bytes"
TEXT = "text"
MIB = 1 << 20


def parse_arguments():
    parser = command_line.parser_beside_criu("--tmpfs", __doc__)
    parser.add_argument("--mebibytes", type=int, required=True)
    return parser.parse_args()


def one_mebibyte(kind):
    if kind == RANDOM:
        return os.urandom(MIB)
    lines = [os.urandom(3).hex().encode() + b" in a line of which not all is new\n" for _ in range(MIB // 41)]
    return b"".join(lines).ljust(MIB)


def fill(pid, kind, mebibytes):
    with open(f"/proc/{pid}/root/mnt/file", "wb") as file:
        for _ in range(mebibytes):
            file.write(one_mebibyte(kind))


def main():
    arguments = parse_arguments()
    _, name, bundle = arguments.container[0]
    container = Container(arguments.runc_root, name, bundle)
    container.start()
    store = os.path.join(arguments.work, "store")
    stasis = Stasis(arguments.stasis, store, container)
    engines = [stasis,
               Stasis(arguments.stasis, store, container, "stasis --compress", ["--compress", "zstd"]),
               Criu(arguments.criu, arguments.work, container, stasis.chosen_options())]
    print(f"{arguments.mebibytes} MiB in a tmpfs: medians of {arguments.rounds} rounds\n"
          f"{'':34}{'frozen ms':>12}{'written MiB':>12}")
    for kind in (RANDOM, TEXT):
        fill(container.pid(), kind, arguments.mebibytes)
        samples = {engine.label: [] for engine in engines}
        for number in range(arguments.rounds):
            for engine in engines if number % 2 else reversed(engines):
                measure.sync_ms()
                samples[engine.label].append(engine.snapshot())
                engine.clear()
        for label, found in samples.items():
            freeze, written = (statistics.median(one[key] for one in found) for key in ("freeze_ms", "bytes"))
            print(f"{kind:16}{label:18}{freeze:12.0f}{written / MIB:12.0f}")
    container.end(container.pid())


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"bench: {error}")
