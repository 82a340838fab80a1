"""From the command to the first kernels: how long until `acceltop attach` has something to show?

python -m benchmarks.first_hotspots [--times 10] [--job cnn]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from benchmarks.job import JOBS, Failed, Job
from benchmarks.table import markdown, spread
from benchmarks.watch import Watch

HEAD = ("job", "times", "attached after, s", "first KernelWindow after, s", "agent gone after Ctrl-C, s")


def measure(name: str, times: int) -> Iterator[tuple[float, float, float]]:
    """Seconds until attached, until the first window, and from Ctrl-C until nothing is left in the job."""
    with Job(f"benchmarks.targets.{name}") as job:
        for _ in range(times):
            with Watch(job.pid) as watch:
                first = watch.wait_for("KernelWindow")
                attached = next(note["time_ns"] for note in watch.frames("Note") if note["code"] == "agent.attached")
                gone = watch.detach()
            yield (attached - watch.started_ns) / 1e9, (first - watch.started_ns) / 1e9, gone
        job.end()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="how often (%(default)s)")
    parser.add_argument("--job", choices=JOBS, default="cnn", help="what trains (%(default)s)")
    args = parser.parse_args(argv)
    try:
        columns = zip(*measure(args.job, args.times), strict=True)
        print(markdown(HEAD, [[args.job, str(args.times), *(spread(column, 2) for column in columns)]]))
    except Failed as error:
        print(f"first_hotspots: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
