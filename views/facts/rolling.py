"""Charts that move on with time: what is over is not looked up again, which live was a third of the work of a table."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from operator import sub
from typing import NamedTuple, TypeAlias

import numpy as np

from acceltop.profiler.history.bands import Band
from acceltop.profiler.timeline import Key
from acceltop.views.scene import Scene

AGAIN = 2  # bins of the last cell: it was not over when it was looked up
Bin: TypeAlias = tuple[float, float, float]
_UNKNOWN: Bin = (math.nan, math.nan, math.nan)


class Chart(NamedTuple):
    """Lowest, mean and highest of some series in bins over a range; NaN where nothing is known of any."""

    low: list[float]
    mean: list[float]
    high: list[float]


class _Mark(NamedTuple):
    """What there was of a series at the last look: readings before the last cell, and all."""

    settled: int
    rows: int


class Rolling:
    """The chart of some series. Whoever asks for one gets the same as without what was known before."""

    def __init__(self) -> None:
        self._range = (0, 0)
        self._chart = Chart([], [], [])
        self._marks: list[_Mark | None] = []  # by series

    def over(self, scene: Scene, keys: Sequence[Key], t0: int, t1: int, points: int) -> Chart:
        """`points` bins from `t0` to `t1`, whose last cell holds the moment shown."""
        newest = self._newest(scene, keys, t0, t1, points)
        if newest is None:
            self._chart = looked_up(scene, keys, t0, t1, points)
        else:
            kept = points - len(newest)
            parts = zip(self._chart, zip(*newest, strict=True), strict=True)
            self._chart = Chart(*([*old[-kept - AGAIN : -AGAIN], *new] for old, new in parts))
        self._range = t0, t1
        last_cell = t1 - (t1 - t0) * AGAIN // points
        known = self._marks if newest is not None else [None] * len(keys)
        now = t0, last_cell, (t1 - t0) // points
        self._marks = [_mark(scene, key, *now, mark) for key, mark in zip(keys, known, strict=True)]
        return self._chart

    def _newest(self, scene: Scene, keys: Sequence[Key], t0: int, t1: int, points: int) -> list[Bin] | None:
        """The bins that are new, or were not over; None where only a look at all of them tells."""
        before, width = self._range, (t1 - t0) / points
        size = round((t1 - before[1]) / width) + AGAIN
        if before[1] - before[0] != t1 - t0 or len(self._chart.mean) != points or not AGAIN <= size < points:
            return None
        start = t1 - round(size * width)
        edges = [start + round(place * width) for place in range(size + 1)]
        found = [_bins(scene, key, edges, mark) for key, mark in zip(keys, self._marks, strict=True)]
        known = [bins for bins in found if bins is not None]
        return [_together(bins) for bins in zip(*known, strict=True)] if len(known) == len(keys) else None


def _mark(scene: Scene, key: Key, t0: int, last_cell: int, width: int, before: _Mark | None) -> _Mark | None:
    """None where readings are not in order, or so far apart that one holds over a bin: how long depends on others."""
    raw = scene.timeline.raw(key)
    if raw is None:
        return None
    times, first = raw[0], max(before.rows - 1, 0) if before else 0
    apart = list(map(sub, times[first + 1 :], times[first:]))
    shown = max(bisect_left(times, t0) - 1 - first, 0)
    if min(apart, default=0) < 0 or max(apart[shown:], default=0) > width:
        return None
    return _Mark(bisect_left(times, last_cell), len(times))


def _bins(scene: Scene, key: Key, edges: Sequence[int], mark: _Mark | None) -> list[Bin] | None:
    """Of one series, between each edge and the next; None where what was before them may have changed, or holds."""
    raw, now = scene.timeline.raw(key), scene.head.at_ns
    later = next((edge for edge in edges if edge > now), now)
    if raw is None or mark is None or later - (edges[1] - edges[0]) // 2 <= now < edges[-2]:
        return None
    times, values = raw
    at = bisect_left(times, edges[0])
    if at != mark.settled or any(one > other for one, other in pairwise(times[mark.rows - 1 :])):
        return None  # something came late, or was let go
    found = []
    for start, end in pairwise(edges):
        first, at = at, bisect_left(times, end, at)
        part = values[first:at]
        if not part and start <= now:
            return None
        found.append((min(part), sum(part) / len(part), max(part)) if start <= now else _UNKNOWN)
    return found


def _together(bins: Sequence[Bin]) -> Bin:
    low, mean, high = zip(*bins, strict=True)
    return min(low), sum(mean) / len(mean), max(high)


def looked_up(scene: Scene, keys: Sequence[Key], t0: int, t1: int, points: int) -> Chart:
    """All of it."""
    bands = [_known_band(scene, key, t0, t1, points) for key in keys]
    if not bands:
        return Chart(*([math.nan] * points for _ in range(3)))
    means = np.array([band.mean for band in bands])
    counts = np.maximum((~np.isnan(means)).sum(axis=0), 1)
    mean = np.where(np.isnan(means).all(axis=0), np.nan, np.nansum(means, axis=0) / counts)
    low, high = np.fmin.reduce([band.low for band in bands]), np.fmax.reduce([band.high for band in bands])
    return Chart(low.tolist(), mean.tolist(), high.tolist())


def _known_band(scene: Scene, key: Key, t0: int, t1: int, points: int) -> Band:
    """Without what is after the moment shown: readings hold for a while, but there nothing is known yet."""
    band = scene.timeline.series(key, t0, t1, points)
    later = int(band.times.searchsorted(scene.head.at_ns + (t1 - t0) // points, "right"))
    for column in band[1:]:
        column[later:] = math.nan
    return band
