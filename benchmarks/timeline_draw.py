"""How long the timeline of single calls takes to draw a window with a million of them, at 160×48. Prints a table.

python -m benchmarks.timeline_draw [--calls 1000000] [--times 20]
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Callable, Sequence
from time import perf_counter

from benchmarks.table import markdown, spread

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history import store
from acceltop.profiler.model import KernelRow, KernelWindow, ProcessFound, Slices
from acceltop.profiler.timeline import Timeline
from acceltop.views.app import AcceltopApp
from acceltop.views.link import Recorded
from acceltop.views.widgets.slices import SlicesPane

T0 = 1_700_000_000 * NS_PER_S
PID, LANES, NAMES = 7, 16, 300
ZOOMS = 6  # down to a window of 1/64


def window(calls: int) -> KernelWindow:
    """Streams full of kernels of a few µs, with gaps."""
    chance = random.Random(1)
    pace = NS_PER_S * LANES // calls
    lanes = [at % LANES for at in range(calls)]
    starts = [at // LANES * pace + chance.randrange(pace // 4 + 1) for at in range(calls)]
    durations = [chance.randrange(pace // 4, pace // 2 + 2) for _ in range(calls)]
    names = [chance.randrange(NAMES) for _ in range(calls)]
    slices = Slices(
        tuple(f"kernel_{n}" for n in range(NAMES)),
        tuple(f"stream {n}" for n in range(LANES)),
        *(tuple(column) for column in (names, lanes, starts, durations)),
    )
    row = KernelRow("kernel_0", "kernel", calls, sum(durations), min(durations), max(durations))
    return KernelWindow(T0, T0 + NS_PER_S, PID, "torch", (row,), NS_PER_S, steps=1.0, events=calls, slices=slices)


def timed(action: Callable[[], object]) -> float:
    """In ms."""
    begin = perf_counter()
    action()
    return (perf_counter() - begin) * 1e3


async def measure(calls: int, times: int) -> list[list[str]]:
    store.MAX_SLICES = max(store.MAX_SLICES, calls)  # kept for memory's sake, which is not what is measured
    timeline = Timeline()
    timeline.add_all([ProcessFound(T0, PID, "python train.py"), window(calls)])
    app = AcceltopApp(timeline, Recorded(), theme="dark", glyphs="braille")
    async with app.run_test(size=(160, 48)) as pilot:
        begin = perf_counter()
        await pilot.press("6")
        await pilot.pause()
        first = (perf_counter() - begin) * 1e3
        pane = app.screen.query_one(SlicesPane)
        shown = pane.shown()
        assert shown is not None and shown.calls == calls
        whole = [timed(lambda: drawn(app)) for _ in range(times)]
        near = []
        for _ in range(ZOOMS):
            near.append(timed(lambda: (pane.zoom(0.5), app.screen._compositor.render_strips())))
    return [["opened, arrays made", f"{first:.1f}"], ["redraw, whole window", spread(whole, 1)],
            ["zoom in and redraw", spread(near, 1)]]  # fmt: skip


def drawn(app: AcceltopApp) -> None:
    """From the timeline to the cells of the terminal."""
    app.redraw()
    app.screen._compositor.render_strips()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000, help="%(default)s")
    parser.add_argument("--times", type=int, default=20, help="%(default)s")
    args = parser.parse_args(argv)
    print(markdown((f"{args.calls} calls", "ms"), asyncio.run(measure(args.calls, args.times))))


if __name__ == "__main__":
    main()
