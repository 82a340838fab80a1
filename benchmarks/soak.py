"""The screens over a long time: does their memory stay what it is? Prints a table; code 1 when it goes on growing.

    python -m benchmarks.soak [--minutes 10] [--interval 0.1] [--most 0.2] | --alone HOURS

A reading each --interval of 8 fake GPUs and of a job with 300 kernels. So little is kept of them that at 0.1 s all is
full after four minutes. All screens are gone through. The last half must not grow by more than --most MB a minute.

With --alone it is a Timeline that keeps what is kept usually, given the seconds of so many HOURS as fast as it can.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from benchmarks.job import Failed
from benchmarks.pty import Screen
from benchmarks.table import markdown
from benchmarks.targets.screen_kernels import Job
from tests.fakes.nvml.build import library

from acceltop.profiler.clock import NS_PER_S, now_ns
from acceltop.profiler.model import Sample
from acceltop.profiler.timeline import Timeline

MB = 1_000_000
LOOKS = 60
GPUS, COUNTERS = 8, 30
KEYS = "1234561"


def rss_over_time(seconds: float, interval_s: float) -> Iterator[tuple[float, int]]:
    """Seconds since the first frame, bytes; LOOKS times."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "HOME": folder, "FAKE_NVML_WAVES": "1"}
        environ["LD_LIBRARY_PATH"] = str(library(Path(folder) / "lib"))
        command = (sys.executable, "-m", "benchmarks.targets.screen_kernels", str(interval_s))
        with Screen(command, environ) as screen:
            screen.first(rb"kernel_\d+")
            for look in range(1, LOOKS + 1):
                screen.press(KEYS[look % len(KEYS)])
                screen.read(seconds / LOOKS)
                yield look * seconds / LOOKS, screen.take().rss
            screen.leave("q")


def alone(hours: int) -> Iterator[tuple[int, int]]:
    """Hours, bytes of this process: GPUS devices with COUNTERS each, and the job, at a reading a second."""
    now, chance, timeline = now_ns(), random.Random(2), Timeline()
    job = Job(lambda: now)
    for second in range(hours * 3600 + 1):
        if second % 3600 == 0:
            gc.collect()
            yield second // 3600, psutil.Process().memory_info().rss
        now += NS_PER_S
        for gpu in range(GPUS):
            values = {f"counter{n}": chance.random() for n in range(COUNTERS)}
            timeline.add(Sample(now, "nvml", values, device=f"gpu{gpu}"))
        timeline.add_all(job.poll())


def growth(points: Sequence[tuple[float, int]]) -> float:
    """Bytes a second, by least squares."""
    mean_x, mean_y = (sum(column) / len(points) for column in zip(*points, strict=True))
    over = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return over / sum((x - mean_x) ** 2 for x, _ in points)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="%(default)s")
    parser.add_argument("--interval", type=float, default=0.1, help="seconds between readings (%(default)s)")
    parser.add_argument("--most", type=float, default=0.2, help="MB a minute in the last half (%(default)s)")
    parser.add_argument("--alone", type=int, metavar="HOURS", help="a Timeline without screens")
    args = parser.parse_args(argv)
    if args.alone:
        rows = [[str(hour), f"{rss / MB:.1f}"] for hour, rss in alone(args.alone)]
        print(markdown(("hours", "RSS, MB"), rows))
        return 0
    try:
        points = list(rss_over_time(args.minutes * 60, args.interval))
    except (Failed, RuntimeError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    halves = [points[: LOOKS // 2], points[LOOKS // 2 :]]
    rows = [[name, *(f"{value / MB:.2f}" for value in (half[0][1], half[-1][1], growth(half) * 60))]
            for name, half in zip(("first half", "last half"), halves, strict=True)]  # fmt: skip
    print(markdown((f"{args.minutes:g} min at {args.interval:g} s", "RSS, MB", "at its end", "MB/min"), rows))
    return int(growth(halves[1]) * 60 / MB > args.most)


if __name__ == "__main__":
    sys.exit(main())
