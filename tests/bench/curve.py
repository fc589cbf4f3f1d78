"""Draws freeze and total time of a snapshot against the memory of the container, stasis beside bare criu."""
import os
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command_line  # noqa: E402
import measure  # noqa: E402
from containers import Container  # noqa: E402
from engines import Criu, Stasis  # noqa: E402

SCRIPT = """
set terminal svg size 720,480 font 'sans,13' background 'white'
set output '{output}'
set title 'Snapshot of a container: medians of {rounds} rounds'
set xlabel 'memory of the container, MiB'
set ylabel 'milliseconds'
set logscale xy
set xtics ({ticks})
set grid
set key left top
plot '{data}' using 1:2 with linespoints pt 7 lw 2 lc 'dark-blue' title 'stasis: frozen', \\
     '{data}' using 1:4 with linespoints pt 5 lw 2 lc 'dark-red' title 'bare criu: frozen', \\
     '{data}' using 1:3 with linespoints pt 6 dt 2 lc 'dark-blue' title 'stasis: sealed and synced', \\
     '{data}' using 1:5 with linespoints pt 4 dt 2 lc 'dark-red' title 'bare criu: and synced'
"""


def parse_arguments():
    parser = command_line.parser_beside_criu("--plot", __doc__)
    parser.add_argument("--plot", required=True, metavar="FILE")
    return parser.parse_args()


def measure_size(arguments, mebibytes, name, bundle):
    """Medians: frozen and synced milliseconds of stasis, then of bare criu."""
    container = Container(arguments.runc_root, name, bundle)
    stasis = Stasis(arguments.stasis, os.path.join(arguments.work, "store"), container, "stasis",
                    ["--rootfs", "none", "--full"])
    container.start()
    engines = [stasis, Criu(arguments.criu, arguments.work, container, stasis.chosen_options())]
    samples = {engine.label: [] for engine in engines}
    for number in range(arguments.rounds):
        for engine in engines if number % 2 else reversed(engines):
            measure.sync_ms()
            measure.warm(3 * mebibytes << 20)
            samples[engine.label].append(engine.snapshot())
            engine.clear()
    container.end(container.pid())
    return [statistics.median(sample[key] for sample in samples[engine.label])
            for engine in engines for key in ("freeze_ms", "synced_ms")]


def draw(arguments, rows):
    data = os.path.splitext(arguments.plot)[0] + ".tsv"
    with open(data, "w", encoding="ascii") as file:
        file.write("# MiB, stasis: frozen and synced ms, bare criu: frozen and synced ms\n")
        for row in rows:
            file.write("\t".join(f"{value:.0f}" for value in row) + "\n")
    script = SCRIPT.format(output=arguments.plot, data=data, rounds=arguments.rounds,
                           ticks=", ".join(str(row[0]) for row in rows))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    arguments = parse_arguments()
    if not shutil.which("gnuplot"):
        raise RuntimeError("gnuplot is not installed: apt-get install gnuplot-nox")
    rows = []
    for text, name, bundle in arguments.container:
        rows.append([int(text), *measure_size(arguments, int(text), name, bundle)])
        print("{:6.0f} MiB: stasis {:6.0f} ms frozen, {:6.0f} until synced; bare criu {:6.0f} and {:6.0f}"
              .format(*rows[-1]), flush=True)
    draw(arguments, rows)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"bench: {error}")
