"""The figures of all rounds as a table and as targets, reached or missed."""
import statistics

COLUMNS = [  # key, title, unit, width, with the range
    ("freeze_ms", "freeze ms", 1, 17, True),
    ("criu_frozen_ms", "by CRIU ms", 1, 17, True),
    ("running_ms", "running ms", 1, 17, True),
    ("total_ms", "total ms", 1, 17, True),
    ("synced_ms", "synced", 1, 7, False),
    ("bytes", "MiB", 1 << 20, 8, False),
    ("written_bytes", "written", 1 << 20, 9, False),
    ("cpu_ms", "CPU ms", 1, 8, False),
    ("peak_rss_bytes", "RSS MiB", 1 << 20, 8, False),
]
LABEL_WIDTH = 22
NOTES = """
freeze: by stasis's own clock, which sees more of it than CRIU's. synced: total, and until all is on the disk;
stasis ends when it is, and checks its files when it restores. All have CRIU log as much as it can (-v4).
runc leaves out what is in the network namespace, which takes some time off its freeze.
running: until the restored program runs; its memory follows until total. Unverified, unlike the restore above it.
RSS: the peak of the command's own process, without CRIU's where CRIU is a child, and without the buffer in which
stasis holds the memory of a snapshot."""


def _number(value):
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _cell(samples, key, unit, with_range):
    if key not in samples[0]:
        return ""
    values = [sample[key] / unit for sample in samples]
    text = _number(statistics.median(values))
    return text if not with_range else f"{text} {min(values):.0f}-{max(values):.0f}"


def print_table(results):
    """results: {container: {operation: {engine: [figures of each round]}}}"""
    for container, operations in results.items():
        print(f"\n{container}: median (and range) of the rounds")
        for operation, engines in operations.items():
            print(f"{operation:{LABEL_WIDTH}}" + "".join(f"{title:>{width}}" for _, title, _, width, _ in COLUMNS))
            for engine, samples in filter(lambda item: item[1], engines.items()):
                cells = (f"{_cell(samples, key, unit, ranged):>{width}}" for key, _, unit, width, ranged in COLUMNS)
                print(f"  {engine:{LABEL_WIDTH - 2}}" + "".join(cells).rstrip())
    print(NOTES)


def targets(results, tiny, large, look_ms):
    """What is promised, in figures of this same run. On a noisy machine only such comparisons mean something."""
    def longer(ours, peer):
        return _median_of_rounds(results[tiny]["snapshot"], ours, peer,
                                 lambda one, other: one["total_ms"] - other["total_ms"])

    ratio = _median_of_rounds(results[large]["snapshot"], "stasis", "bare criu",
                              lambda one, other: one["freeze_ms"] / other["freeze_ms"])
    def of_bare_dump(operation, key, peer_key):
        """What stasis does against what bare criu needs for a snapshot."""
        return _median_of_rounds({"stasis": results[large][operation]["stasis"],
                                  "bare criu": results[large]["snapshot"]["bare criu"]}, "stasis", "bare criu",
                                 lambda one, other: one[key] / other[peer_key])

    second = results[large]["second snapshot"]["stasis"]
    changed_mib = sum(sample["bytes"] for sample in results[large]["snapshot"]["bare criu"]) / len(
        results[large]["snapshot"]["bare criu"]) / 50 / (1 << 20)
    written_mib = statistics.median(sample["written_bytes"] for sample in second) / (1 << 20)
    cpu_s = statistics.median(sample["cpu_ms"] / 1e3 / (sample["bytes"] / (1 << 30))
                              for sample in results[large]["snapshot"]["stasis --rootfs none"])
    restored = results[large]["restore"]
    eager = _median_of_rounds(restored, "stasis", "bare criu",
                              lambda one, other: one["total_ms"] / other["total_ms"])
    lazy = _median_of_rounds({**results[large]["lazy restore"], "bare criu": restored["bare criu"]}, "stasis",
                             "bare criu", lambda one, other: one["running_ms"] / other["total_ms"])
    rss = max(sample["peak_rss_bytes"]
              for operations in results.values()
              for engines in operations.values()
              for engine, samples in engines.items() if engine.startswith("stasis")
              for sample in samples) / (1 << 20)
    return [
        _target(f"{tiny}: a snapshot of the processes takes at most 40 ms longer than bare criu dump",
                longer("stasis --rootfs none", "bare criu"), 40, "ms"),
        _target(f"{tiny}: with the files at most 40 ms longer than bare criu dump and rsync",
                longer("stasis", "criu, then rsync"), 40, "ms"),
        _target(f"{large}: freeze at most 0.45 times that of bare criu dump", ratio, 0.45, "times"),
        _target(f"{large}: a snapshot is sealed and synced within 1.3 times bare criu dump and sync",
                of_bare_dump("snapshot", "total_ms", "synced_ms"), 1.3, "times"),
        _target(f"{large}: a second one, 2 % of pages changed, writes at most 1.1 times that and 2 MiB",
                written_mib, 1.1 * changed_mib + 2, "MiB"),
        _target(f"{large}: and takes at most 0.6 of the time of bare criu dump",
                of_bare_dump("second snapshot", "total_ms", "total_ms"), 0.6, "times"),
        _target(f"{large}: at most 0.6 CPU seconds for each GiB", cpu_s, 0.6, "s"),
        _target(f"{large}: a restore takes at most 1.1 times as long as bare criu's", eager, 1.1, "times"),
        _target(f"{large}: a lazy restore runs after at most 0.15 of the time of bare criu's restore", lazy, 0.15,
                "times"),
        *(_target(f"a look at 50 processes with {count} descriptors each takes at most 100 ms", milliseconds, 100, "ms")
          for count, milliseconds in look_ms.items()),
        _target("stasis itself never takes more than 128 MiB of memory beside the buffer", rss, 128, "MiB"),
    ]


def _median_of_rounds(engines, ours, peer, compare):
    """Of what both did in the same round, for the machine may be busier in another."""
    return statistics.median(map(compare, engines[ours], engines[peer]))


def _target(what, value, limit, unit):
    return {"what": what, "value": round(value, 3), "limit": limit, "unit": unit, "reached": value <= limit}


def print_targets(found):
    print("\nTargets")
    for target in found:
        verdict = "reached" if target["reached"] else "MISSED "
        print(f"  {verdict}  {target['value']:8.2f} {target['unit']:6} {target['what']}")
