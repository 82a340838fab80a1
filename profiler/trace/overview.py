"""The overview of a trace, made while it is written: what opening a day needs, without reading the day.

An attachment for each hour holds the levels of 10 s, so that memory stays bounded. The last one holds
the levels of 5 min, the kernel and stack totals, and all devices, processes and notes, as Frames.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from acceltop.profiler import codec
from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history.levels import Buckets, Level
from acceltop.profiler.history.store import History, Key, Limits, StepKey
from acceltop.profiler.history.subjects import MAX_SUBJECTS
from acceltop.profiler.model import Frame

OVERVIEW, LEVELS, MEDIA_TYPE = "acceltop.overview", "acceltop.levels", "application/json+zstd"
VERSION = 1
FINE_EVERY_NS = 3600 * NS_PER_S
LIMITS = Limits(
    raw=0,
    steps=0,
    kernels=0,
    kernel_rows=100,
    stacks=0,
    stack_rows=300,
    tiers=((300 * NS_PER_S, 24), (3600 * NS_PER_S, 48)),
    ended=MAX_SUBJECTS,
)


class Overview:
    """Add every frame; take `fine` each FINE_EVERY_NS and `fine` and `last` at the end. Both are JSON."""

    def __init__(self) -> None:
        self._history = History(LIMITS)

    @property
    def span(self) -> tuple[int, int]:
        return self._history.span or (0, 0)

    def add(self, frame: Frame) -> None:
        self._history.add(frame)

    def fine(self) -> bytes:
        """The levels of 10 s since the last call."""
        return _json(levels=[_level(key, level, level.take()) for key, level in self._history.levels()])

    def last(self) -> bytes:
        levels = []
        for key, fine in self._history.levels():
            fine.finish()
            if fine.coarser is not None:
                fine.coarser.finish()
                levels.append(_level(key, fine.coarser, fine.coarser.take()))
        t0, t1 = self.span
        counts = dict(self._history.versions)
        frames = [codec.to_dict(frame) for frame in _frames(self._history)]
        return _json(t0_ns=t0, t1_ns=t1, counts=counts, frames=frames, levels=levels)


def _json(**what: object) -> bytes:
    return json.dumps({"version": VERSION, **what}, separators=(",", ":"), allow_nan=False).encode()


def _level(key: Key | StepKey, level: Level, buckets: Buckets) -> dict[str, Any]:
    """Nine digits are more than anything here is measured to."""
    named = {name: value for name, value in key._asdict().items() if value is not None}
    columns = buckets._asdict()
    return {**named, "width_ns": level.width_ns, **columns, "total": [float(f"{sum_:.9g}") for sum_ in buckets.total]}


def _frames(history: History) -> Iterator[Frame]:
    subjects = history.subjects
    yield from history.hosts.values()
    yield from subjects.twins.values()
    for device in subjects.devices.values():
        yield from _known(device.found, device.lost)
    for process in subjects.processes.values():
        yield from _known(process.found, process.gone)
    yield from history.all_notes
    yield from history.memory_stats.values()
    yield from history.costs.values()
    for kernels in history.kernel_windows.values():
        yield from kernels
    for stacks in history.stack_windows.values():
        yield from stacks


def _known(*frames: Frame | None) -> Iterable[Frame]:
    return (frame for frame in frames if frame is not None)
