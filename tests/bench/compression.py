"""What --compress costs and saves: full snapshots of memory that can't be compressed and of a program's own, by each way."""
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command_line  # noqa: E402
import measure  # noqa: E402
from containers import Container  # noqa: E402
from engines import Stasis  # noqa: E402

WAYS = ("none", "lz4", "zstd:1", "zstd", "zstd:9")


def parse_arguments():
    return command_line.parser_beside_criu("--compress", __doc__).parse_args()


def measure_way(stasis):
    """A snapshot, then a stop and the restore of that."""
    measure.sync_ms()
    figures = stasis.snapshot()
    stasis.clear()
    stasis.stop()
    restored, _ = stasis.restore()
    stasis.clear()
    return {**figures, "restore_ms": restored["total_ms"]}


def measure_container(arguments, label, name, bundle):
    container = Container(arguments.runc_root, name, bundle)
    store = os.path.join(arguments.work, "store")
    engines = [Stasis(arguments.stasis, store, container, way, ["--rootfs", "none", "--full", "--compress", way])
               for way in WAYS]
    samples = {way: [] for way in WAYS}
    container.start()
    for number in range(arguments.rounds):
        for engine in engines[number % len(WAYS):] + engines[:number % len(WAYS)]:
            samples[engine.label].append(measure_way(engine))
    container.end(container.pid())
    print(f"\n{label}: medians of {arguments.rounds} rounds")
    print(f"{'--compress':12}{'MiB':>8}{'frozen ms':>12}{'total ms':>12}{'CPU ms':>10}{'restore ms':>12}")
    for way in WAYS:
        mib, *rest = (statistics.median(sample[key] for sample in samples[way])
                      for key in ("bytes", "freeze_ms", "total_ms", "cpu_ms", "restore_ms"))
        print(f"{way:12}{mib / (1 << 20):8.0f}" + "".join(f"{value:{width}.0f}"
                                                          for value, width in zip(rest, (12, 12, 10, 12))), flush=True)


def main():
    arguments = parse_arguments()
    for container in arguments.container:
        measure_container(arguments, *container)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"bench: {error}")
