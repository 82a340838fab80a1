"""A growing history: the memory of the screens stays what it is once the rings are full (a long one: benchmarks)."""

from __future__ import annotations

import asyncio
import gc
import sys
from itertools import islice

from tests.views.screens import shown
from tests.views.session_frames import gpu_session

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history.store import Limits
from acceltop.profiler.timeline import Timeline

SHORT = Limits(raw=40, steps=100, kernels=5, stacks=5, tiers=((10 * NS_PER_S, 3), (30 * NS_PER_S, 2)))
PART = 260  # frames: some ten seconds of eight GPUs and a job
SCREENS = "123456"


def test_memory_is_flat_once_the_rings_are_full() -> None:
    """By the number of objects: that is the same on every machine."""
    counted: list[int] = []

    async def run() -> None:
        frames = gpu_session(300)
        timeline = Timeline(SHORT)
        timeline.add_all(islice(frames, PART))
        async with shown(timeline) as (app, hands):
            while part := list(islice(frames, PART)):
                timeline.add_all(part)
                app.redraw()
                await hands.press(SCREENS[len(counted) % len(SCREENS)])
                gc.collect()
                counted.append(sys.getallocatedblocks())

    asyncio.run(run())
    full, end = counted[len(counted) // 2 : -len(SCREENS)], counted[-len(SCREENS) :]  # each screen is in both
    assert max(end) < 1.02 * max(full)
