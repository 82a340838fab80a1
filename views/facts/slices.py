"""Single calls of one profiled window as arrays, and what a row of cells shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from acceltop.profiler.model import KernelWindow, Slices
from acceltop.views.facts.kernels import charted_windows
from acceltop.views.scene import Scene

Ints: TypeAlias = npt.NDArray[np.int64]
_NAME_BITS = 22  # more names than a window may hold
_NAME_MASK = (1 << _NAME_BITS) - 1
NOBODY = -1
_NEVER = np.iinfo(np.int64).min
MAX_DEPTH = 64  # rows of a thread; what is nested deeper counts as a part of what it lies within


@dataclass(frozen=True)
class Lane:
    """Calls of a stream or a thread that lie within `depth` others, by their start; ns after the window's start."""

    label: str
    name: Ints
    start: Ints
    duration: Ints
    depth: int = 0
    caller: Ints | None = None
    """The names of the calls that these lie within; NOBODY's where that is unknown. Of depth 0 there are none."""

    def part(self, t0: int, t1: int) -> slice:
        """The calls that reach into this time, and few others."""
        first, last = (int(place) for place in np.searchsorted(self.start, (t0, t1)))
        # Calls that began before and reach in are among the last few: nested ones are longer, and few.
        return slice(max(first - _reaching_in(self, first, t0), 0), last)

    @cached_property
    def packed(self) -> Ints:
        """Duration and name in one number, so that one pass over a million calls finds both."""
        packed: Ints = (self.duration << _NAME_BITS) | self.name
        return packed


@dataclass(frozen=True)
class SliceView:
    names: tuple[str, ...]
    lanes: list[Lane]
    start_ns: int  # of the first call, after the window's start
    end_ns: int
    t0_ns: int
    calls: int


@dataclass(frozen=True)
class Cells:
    """For each cell: the name that covers most of it (NOBODY: none), and how much of it is covered at all."""

    name: Ints
    covered: npt.NDArray[np.float64]


def sliced_windows(scene: Scene) -> list[KernelWindow]:
    """The windows of the time that charts cover whose single calls are kept, oldest first."""
    return [w for w in charted_windows(scene) if w.slices is not None and w.slices.start_ns]


def slice_view(scene: Scene, window: KernelWindow) -> SliceView | None:
    """Arrays of a window's calls; made once a window, since a million of them take a while."""
    slices = window.slices
    if slices is None or not slices.start_ns:
        return None
    return scene.memo("slices", id(slices), lambda: _view(window, slices))


def _view(window: KernelWindow, slices: Slices) -> SliceView:
    name, lane, start, duration = (
        np.array(column, dtype=np.int64) for column in (slices.name, slices.lane, slices.start_ns, slices.duration_ns)
    )
    lanes: list[Lane] = []
    for at, label in enumerate(slices.lanes):
        own = np.flatnonzero(lane == at)
        own = own[np.lexsort((-duration[own], start[own]))]  # of two that begin together the longer is outside
        for depth, calls in enumerate(_by_depth(own, start, start + duration)):
            columns = name[calls], start[calls], duration[calls]
            lanes.append(Lane(label, *columns, depth, _callers(lanes[-1], *columns[1:]) if depth else None))
    end = int((start + duration).max())
    return SliceView(slices.names, lanes, int(start.min()), end, window.t0_ns, len(start))


def _by_depth(calls: Ints, start: Ints, end: Ints) -> Iterator[Ints]:
    """The calls that lie within no other, then those within one, and so on; `calls` are indices by start."""
    for _ in range(MAX_DEPTH):
        if not len(calls):
            return
        before = np.maximum.accumulate(np.concatenate(([_NEVER], end[calls][:-1])))
        inside = start[calls] < before
        yield calls[~inside]
        calls = calls[inside]


def _callers(above: Lane, start: Ints, duration: Ints) -> Ints:
    """What overlaps without lying within, as kernels that follow each other closely do, was not called by it."""
    at = np.maximum(np.searchsorted(above.start, start, "right") - 1, 0)
    return np.where(start + duration <= above.start[at] + above.duration[at], above.name[at], NOBODY)


class CallFact(NamedTuple):
    """All calls of one name within a time; `own_ns` is without what they called."""

    name: str
    calls: int
    own_ns: int
    total_ns: int


def calls_within(scene: Scene, view: SliceView, t0: int, t1: int) -> list[CallFact]:
    """Most time of their own first; of a call that reaches out of the time the part within it."""
    return scene.memo("calls", (view.t0_ns, id(view), t0, t1), lambda: _calls(view, t0, t1))


def _calls(view: SliceView, t0: int, t1: int) -> list[CallFact]:
    calls, total, inner = np.zeros((3, len(view.names) + 1))  # the last is NOBODY's
    for lane in view.lanes:
        part = lane.part(t0, t1)
        name, ns = lane.name[part], _within(lane, part, t0, t1)
        calls += np.bincount(name, ns > 0, len(calls))
        total += np.bincount(name, ns, len(calls))
        if lane.caller is not None:
            inner += np.bincount(lane.caller[part] % len(calls), ns, len(calls))
    own = total - inner
    found = [at for at in np.argsort(-own[:-1]).tolist() if calls[at]]
    return [CallFact(view.names[at], int(calls[at]), int(own[at]), int(total[at])) for at in found]


def _within(lane: Lane, part: slice, t0: int, t1: int) -> Ints:
    start = lane.start[part]
    ns: Ints = np.minimum(start + lane.duration[part], t1) - np.maximum(start, t0)
    return np.maximum(ns, 0)


def longest(view: SliceView, name: str, t0: int, t1: int) -> tuple[int, int]:
    """Lane and index of the call of that name that takes most of a time; it must be there."""
    wanted = view.names.index(name)
    found = []
    for at, lane in enumerate(view.lanes):
        part = lane.part(t0, t1)
        ns = np.where(lane.name[part] == wanted, _within(lane, part, t0, t1), -1)
        if len(ns):
            call = int(ns.argmax())
            found.append((int(ns[call]), at, part.start + call))
    _, lane_at, call = max(found)
    return lane_at, call


def callers(view: SliceView, lane: int, call: int) -> list[tuple[int, int]]:
    """Lane and index of the calls that it lies within, the innermost first."""
    found, time = [], int(view.lanes[lane].start[call])
    end = time + int(view.lanes[lane].duration[call])
    for above in range(lane - 1, lane - 1 - view.lanes[lane].depth, -1):
        row = view.lanes[above]
        at = int(np.searchsorted(row.start, time, "right")) - 1
        if at >= 0 and row.start[at] + row.duration[at] >= end:
            found.append((above, at))
    return found


def alike(view: SliceView, lane: Lane, name: int) -> tuple[int, int]:
    """How many calls of that name the lane's stream or thread has, and how long they take together, in ns."""
    rows = [row for row in view.lanes if row.label == lane.label]
    found = [row.duration[row.name == name] for row in rows]
    return sum(map(len, found)), int(sum(part.sum() for part in found))


def lane_cells(lane: Lane, t0: int, t1: int, width: int) -> Cells:
    """What `width` cells between t0 and t1 show of a lane: of a million calls each is looked at few times."""
    names = np.full(width, NOBODY, dtype=np.int64)
    covered = np.zeros(width)
    part = lane.part(t0, t1)
    start, duration, name = lane.start[part], lane.duration[part], lane.name[part]
    if not len(start):
        return Cells(names, covered)
    cell_ns = max((t1 - t0) / width, 1e-9)
    begins = np.searchsorted(start, t0 + np.ceil(np.arange(width + 1) * cell_ns).astype(np.int64))
    begins[0], begins[-1] = 0, len(start)
    cells = np.flatnonzero(np.diff(begins))  # those in which a call begins: the longest gives its name
    names[cells] = np.maximum.reduceat(lane.packed[part], begins[cells]) & _NAME_MASK
    covered[cells] = np.add.reduceat(duration, begins[cells]) / cell_ns
    for at in np.flatnonzero(duration > 2 * cell_ns):
        left, right = (int((time - t0) / cell_ns) for time in (start[at], start[at] + duration[at]))
        names[max(left, 0) : right + 1] = name[at]
        covered[max(left, 0) : right + 1] = 1.0
    return Cells(names, np.minimum(covered, 1.0))


def _reaching_in(lane: Lane, first: int, t0: int) -> int:
    """How far back a call begins that is still open at t0, within the last thousand."""
    back = min(first, 1000)
    ends = lane.start[first - back : first] + lane.duration[first - back : first]
    open_at = np.flatnonzero(ends > t0)
    return back - int(open_at[0]) if len(open_at) else 0


def nearest(lane: Lane, time_ns: int) -> int | None:
    """Index of the call at that time, else of the one closest to it."""
    after = int(np.searchsorted(lane.start, time_ns, "right"))
    if after == 0:
        return 0 if len(lane.start) else None
    gap = time_ns - int(lane.start[after - 1] + lane.duration[after - 1])
    nearer = after < len(lane.start) and int(lane.start[after]) - time_ns < gap
    return after if nearer else after - 1
