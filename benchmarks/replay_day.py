"""A recording of a day on the screens: from the command to the first paint with readings, and each seek: a table.

    python -m benchmarks.replay_day [--hours 24] [--trace FILE] [--starts 12] [--seeks 12]

The trace is that of benchmarks/trace_size.py; writing a day of it takes some minutes, so --trace keeps it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, perf_counter

from benchmarks.job import Failed
from benchmarks.pty import Screen
from benchmarks.table import markdown, spread
from benchmarks.trace_size import write

from acceltop.profiler.numbers import size
from acceltop.profiler.timeline import Timeline
from acceltop.profiler.trace.reader import TraceReader
from acceltop.views.app import AcceltopApp
from acceltop.views.feed import Feed
from acceltop.views.replaying import ReplayLink

SCRIPT = str(Path(sys.executable).with_name("acceltop"))
LONGEST_S = 20.0
SETTLE_S = 1.0
DETAIL_S = 0.002  # how often is looked whether the detail is there


def first_paint(trace: Path, times: int, folder: Path) -> list[float]:
    """Seconds from the command to a line of kernels on the terminal. The first start fills `folder`: left out."""
    environ = {**os.environ, "TERM": "xterm-256color", "HOME": str(folder)}
    environ |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}  # as installed
    found = []
    for _ in range(times + 1):
        with Screen((SCRIPT, "replay", str(trace)), environ) as screen:
            found.append(screen.first(rb"cutlass"))
            screen.read(SETTLE_S)
    return found[1:]


async def seeks(trace: Path, count: int) -> tuple[list[float], list[float]]:
    """ms from a jump anywhere to the screen drawn, and to the detail of that place loaded and drawn."""
    chance = random.Random(2)
    link = ReplayLink(TraceReader(str(trace)), Feed())
    app = AcceltopApp(Timeline(), link, Feed(), "dark", "braille")
    link.start()
    app.starts.append(lambda: link.meet(app.adopt, app.fail, app.deliver))
    drawn, detailed = [], []
    async with app.run_test(size=(160, 48)):
        await until(lambda: app.scene.timeline.span is not None)
        span = app.scene.timeline.span
        assert span is not None
        for _ in range(count):
            before = shown_detail(app)
            begin = perf_counter()
            app.scene.head.seek(chance.randrange(*span))
            app.redraw()
            app.screen._compositor.render_strips()
            drawn.append((perf_counter() - begin) * 1e3)
            await until(lambda: shown_detail(app) != before)  # noqa: B023 (awaited in the same turn)
            app.screen._compositor.render_strips()  # it has been redrawn with the detail's arrival
            detailed.append((perf_counter() - begin) * 1e3)
    link.close()
    return drawn, detailed


def shown_detail(app: AcceltopApp) -> object:
    """Changes when the detail of another place is shown."""
    return id(app.scene.timeline._detail)


async def until(condition: Callable[[], bool]) -> None:
    end = monotonic() + LONGEST_S
    while not condition():
        if monotonic() > end:
            raise Failed(f"not within {LONGEST_S:g} s: the detail of a place in the trace")
        await asyncio.sleep(DETAIL_S)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0, help="%(default)s")
    parser.add_argument("--trace", type=Path, help="written if it is not there, and kept")
    parser.add_argument("--starts", type=int, default=12, help="of the screens (%(default)s)")
    parser.add_argument("--seeks", type=int, default=12, help="%(default)s")
    args = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as folder:
            trace = args.trace or Path(folder) / "day.mcap"
            if not trace.exists():
                write(trace, int(args.hours * 3600))
            paints = first_paint(trace, args.starts, Path(folder))
            drawn, detailed = asyncio.run(seeks(trace, args.seeks))
            rows = [["command → first paint with kernels, s", spread(paints, 2)],
                    ["seek → drawn from the overview, ms", spread(drawn, 0)],
                    ["seek → drawn in detail, ms", spread(detailed, 0)]]  # fmt: skip
            print(markdown((f"{args.hours:g} h, {size(trace.stat().st_size)}", ""), rows))
    except Failed as error:
        print(f"replay_day: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
