"""Numbers over time, as a chart needs them: so many points over a range, each with its low, mean and high."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history.levels import Columns, Level, Series

_BEFORE = 32  # rows ahead of a range: they tell what held at its start, and how far apart readings usually are
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


class Band(NamedTuple):
    """Columns of equal length; NaN where nothing is known. `times` are the middles of the points, in ns."""

    times: Ints
    low: Floats
    mean: Floats
    high: Floats


@dataclass(frozen=True)
class Points:
    """What is known of a series, by time. A point holds for `hold` ns, then nothing is known until the next."""

    times: Ints
    low: Floats
    total: Floats
    high: Floats
    count: Floats
    hold: Ints

    def __getitem__(self, rows: slice | npt.NDArray[np.bool_] | Ints) -> Points:
        return Points(
            self.times[rows], self.low[rows], self.total[rows], self.high[rows], self.count[rows], self.hold[rows]
        )

    def __add__(self, other: Points) -> Points:
        join = np.concatenate
        return Points(
            join((self.times, other.times)),
            join((self.low, other.low)),
            join((self.total, other.total)),
            join((self.high, other.high)),
            join((self.count, other.count)),
            join((self.hold, other.hold)),
        )


NOTHING = Points(*(np.empty(0, kind) for kind in (np.int64, float, float, float, float, np.int64)))


def ints(column: array[float]) -> Ints:
    return np.array(column, dtype=np.int64)


def floats(column: array[float]) -> Floats:
    return np.array(column, dtype=np.float64)


def of_columns(times: Ints, values: Floats) -> Points:
    return Points(times, values, values, values, np.ones(len(times)), _holds(times, 1))


def of_series(series: Series, t0_ns: int, t1_ns: int) -> Points:
    """Of a range and what is around it, as fine as it is known."""
    raw = of_raw(series.raw, t0_ns, t1_ns)
    if len(raw.times) and (raw.times[0] <= t0_ns or not series.fine.begins_before(raw.times[0])):
        return raw  # there is nothing that the levels could add
    return layered(raw, of_level(series.fine, t0_ns, t1_ns))


def of_raw(raw: Columns, t0_ns: int, t1_ns: int) -> Points:
    """Of a range and what is around it, see `_rows_near`."""
    times, values = raw.arrays
    rows = _rows_near(times, t0_ns, t1_ns)
    return of_columns(ints(times[rows]), floats(values[rows]))


def of_level(level: Level, t0_ns: int, t1_ns: int) -> Points:
    """The level and all coarser ones, as `of_raw`."""
    start, low, total, high, count = level.columns(_rows_near(level.rows.arrays[0], t0_ns, t1_ns))
    times = ints(start)
    points = Points(times, floats(low), floats(total), floats(high), floats(count), _holds(times, level.width_ns))
    return layered(points, of_level(level.coarser, t0_ns, t1_ns)) if level.coarser else points


def _rows_near(times: array[float], t0_ns: int, t1_ns: int) -> slice:
    """The rows of a range, some before it and one after it; all that there are where a clock has gone back."""
    known = np.asarray(times, np.int64)
    if (known[1:] < known[:-1]).any():
        return slice(None)
    return slice(max(bisect_left(times, t0_ns) - _BEFORE, 0), bisect_right(times, t1_ns) + 1)


def _holds(times: Ints, at_least_ns: int) -> Ints:
    """A reading holds until the next one, but no longer than two and a half of their usual distances."""
    distances = times[1:] - times[:-1]
    distances.sort()
    usual = int(distances[len(distances) // 2]) if len(distances) else NS_PER_S
    return np.full(len(times), max(int(2.5 * abs(usual)), at_least_ns), dtype=np.int64)


def layered(fine: Points, coarse: Points) -> Points:
    """One series out of two levels: the coarse one only where the fine one says nothing."""
    joined = coarse
    if len(fine.times):
        joined = coarse[(coarse.times < fine.times.min()) | (coarse.times > fine.times.max())] + fine
    if (joined.times[1:] >= joined.times[:-1]).all():
        return joined
    return joined[np.argsort(joined.times, kind="stable")]


def band(points: Points, t0_ns: int, t1_ns: int, size: int) -> Band:
    """`points` summed into `size` bins over the range."""
    size, width = max(size, 1), max(t1_ns - t0_ns, 1) / max(size, 1)
    left = t0_ns + (np.arange(size) * width).astype(np.int64)
    low, mean, high = np.full((3, size), np.nan)
    seen = points[points.times.searchsorted(t0_ns) : points.times.searchsorted(t1_ns, "right")]
    if len(seen.times):
        bins = np.minimum(((seen.times - t0_ns) / width).astype(np.int64), size - 1)
        first = np.concatenate(([0], (bins[1:] != bins[:-1]).nonzero()[0] + 1))
        filled = bins[first]
        low[filled] = np.minimum.reduceat(seen.low, first)
        high[filled] = np.maximum.reduceat(seen.high, first)
        mean[filled] = np.add.reduceat(seen.total, first) / np.add.reduceat(seen.count, first)
    _hold(points, left, low, mean, high)
    return Band(left + int(width / 2), low, mean, high)


def _hold(points: Points, left: Ints, low: Floats, mean: Floats, high: Floats) -> None:
    """Fills empty bins with the point before them, as long as that holds."""
    (empty,) = np.isnan(mean).nonzero()
    if not len(empty):
        return
    last = points.times.searchsorted(left[empty], "right") - 1
    empty, last = empty[last >= 0], last[last >= 0]
    holds = left[empty] - points.times[last] <= points.hold[last]
    empty, last = empty[holds], last[holds]
    low[empty], high[empty] = points.low[last], points.high[last]
    mean[empty] = points.total[last] / points.count[last]
