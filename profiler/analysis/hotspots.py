"""Kernels by the time they take: any number of KernelWindows summed in a stream, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from acceltop.profiler.analysis.origin import origin
from acceltop.profiler.model import KernelRow, KernelWindow, Launch

DEVICE, HOST, SAMPLED = "device", "host", "sampled"
"""What can be summed with each other: what ran on devices, the self time of CPU ops, samples of a statistical
profiler. An op's time and that of the kernels it launched never add up to anything."""

MAX_ROWS = 4096
OTHER = "other"
"""The kind of the row that holds the rest; sources fold their own rest into a row of the same name."""
OTHER_NAME = "(other)"
_MAX_PLACES = 64  # combinations of op, module, line … kept of one kernel; the smallest half goes when there are more


class Kernel(NamedTuple):
    """One ranked row. Times in ns; `share` is of its group's time; None is unknown.

    `op`, `module`, `location`, `stream` … are those that took most of its time in the `phase` that took most.
    """

    name: str
    kind: str
    calls: int
    total_ns: int
    share: float
    mean_ns: float
    min_ns: int
    max_ns: int
    device: str | None = None
    stream: int | None = None
    op: str | None = None
    module: str | None = None
    modules: int = 0  # from how many places in the model it was called
    location: str | None = None
    origin: str | None = None
    phase: str | None = None
    bytes: int | None = None
    bytes_per_s: float | None = None
    flop_per_s: float | None = None
    per_step_ns: float | None = None
    launch: Launch | None = None  # of the longest call whose launch is known

    @property
    def calls_per_step(self) -> float | None:
        return None if self.per_step_ns is None or not self.mean_ns else self.per_step_ns / self.mean_ns


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much was looked at. `span_ns` goes from the first window's start to where the range ends, by process."""

    profiled_ns: int
    span_ns: int
    windows: int
    events: int
    invalid: int
    dropped: int
    steps: float | None

    @property
    def ratio(self) -> float | None:
        return min(1.0, self.profiled_ns / self.span_ns) if self.span_ns > 0 else None


class Hotspots:
    """Sums windows. At most `max_rows` distinct kernels a group are kept: the smallest go into the row "(other)",
    and one that comes back later starts again from nothing. `keep` picks rows, for one device or phase."""

    def __init__(self, max_rows: int = MAX_ROWS, keep: Callable[[KernelRow], bool] | None = None) -> None:
        self._max_rows = max_rows
        self._keep = keep
        self._groups: dict[str, _Group] = {}
        self._covers: dict[bool, _Cover] = {}  # by whether calls were samples

    def add(self, window: KernelWindow) -> None:
        """Order does not matter."""
        self._covers.setdefault(window.sampled, _Cover()).add(window)
        groups: dict[str, list[KernelRow]] = {}
        for row in window.rows if self._keep is None else filter(self._keep, window.rows):
            groups.setdefault(_group_of(window, row), []).append(row)
        for name, rows in groups.items():
            self._group(name).add(rows, window.steps)

    def add_all(self, windows: Iterable[KernelWindow]) -> Hotspots:
        for window in windows:
            self.add(window)
        return self

    @property
    def group(self) -> str | None:
        """What to show first: device time where there is any, else CPU ops, else samples."""
        return next((name for name in (DEVICE, HOST, SAMPLED) if name in self._groups), None)

    def ranked(self, group: str | None = None) -> list[Kernel]:
        """Rows of one group, most time first; "(other)", if any, comes last. Shares add up to one."""
        totals, whole = self.totals(group)
        return [total.kernel(whole) for total in totals]

    def totals(self, group: str | None = None) -> tuple[list[Total], Whole]:
        """The rows of `ranked` before they are put together, which takes longer than to rank them, and their whole.

        They go on growing with each window that is added.
        """
        found = self._groups.get(group or self.group or "")
        return (found.ranked(), found.whole()) if found else ([], Whole(0, None))

    def total_ns(self, group: str | None = None) -> int:
        found = self._groups.get(group or self.group or "")
        return found.total_ns if found else 0

    def folded(self, group: str | None = None) -> int:
        """How many rows went into "(other)" (one that came back counts again)."""
        found = self._groups.get(group or self.group or "")
        return found.folded if found else 0

    def coverage(self, group: str | None = None, end_of: Callable[[int], int] = lambda pid: 0) -> Coverage:
        """`end_of` a PID: the end (ns) of the time that its windows stand for; at the least it is the last one's."""
        cover = self._covers.get((group or self.group) == SAMPLED, _Cover())
        return Coverage(
            profiled_ns=cover.profiled_ns,
            span_ns=cover.span_ns(end_of),
            windows=cover.windows,
            events=cover.events,
            invalid=cover.invalid,
            dropped=cover.dropped,
            steps=cover.steps,
        )

    def _group(self, name: str) -> _Group:
        if name not in self._groups:
            self._groups[name] = _Group(self._max_rows)
        return self._groups[name]


def _group_of(window: KernelWindow, row: KernelRow) -> str:
    if window.sampled:
        return SAMPLED
    return HOST if row.kind == "op" else DEVICE


class _Cover:
    def __init__(self) -> None:
        self.spans: dict[tuple[int, str], tuple[int, int]] = {}
        self.profiled_ns = self.windows = self.events = self.invalid = self.dropped = 0
        self.steps: float | None = None

    def add(self, window: KernelWindow) -> None:
        self.profiled_ns += max(0, window.profiled_ns)
        self.windows += window.windows
        self.events += window.events
        self.invalid += window.invalid
        self.dropped += window.dropped
        if window.steps is not None:
            self.steps = (self.steps or 0.0) + window.steps
        start, end = self.spans.get((window.pid, window.source), (window.t0_ns, window.t1_ns))
        self.spans[window.pid, window.source] = (min(start, window.t0_ns), max(end, window.t1_ns))

    def span_ns(self, end_of: Callable[[int], int]) -> int:
        return sum(max(end, end_of(pid)) - start for (pid, _), (start, end) in self.spans.items())


class _Place(NamedTuple):
    """Where a kernel ran and what called it."""

    device: str | None
    stream: int | None
    op: str | None
    module: str | None
    location: str | None
    origin: str | None
    library: str | None
    phase: str | None


_PHASE = _Place._fields.index("phase")
_place_of = attrgetter(*_Place._fields)


class Whole(NamedTuple):
    """The time of a group of kernels, and by what one's time is multiplied to give that of a step; None: not known."""

    total_ns: int
    per_step: float | None

    def share(self, ns: int) -> float:
        return ns / self.total_ns if self.total_ns else 0.0


@dataclass(slots=True)
class Total:
    """A kernel as it is summed."""

    name: str
    kind: str
    calls: int = 0
    total_ns: int = 0
    min_ns: int | None = None
    max_ns: int = 0
    bytes: int | None = None
    bytes_ns: int = 0  # the time of those calls whose bytes were counted
    flops: int | None = None
    flops_ns: int = 0
    launch: Launch | None = None
    launch_ns: int = -1  # how long the call with that launch took
    places: dict[tuple[str | int | None, ...], int] = field(default_factory=dict)  # ns by _Place
    _only: tuple[_Place, int, str | None] | None = None  # what is told where there is one place

    def add(self, row: KernelRow) -> None:
        self.calls += row.calls
        self.total_ns += row.total_ns
        if self.min_ns is None or row.min_ns < self.min_ns:
            self.min_ns = row.min_ns
        if row.max_ns > self.max_ns:
            self.max_ns = row.max_ns
        if row.bytes is not None:
            self.bytes = (self.bytes or 0) + row.bytes
            self.bytes_ns += row.total_ns
        if row.flops is not None:
            self.flops = (self.flops or 0) + row.flops
            self.flops_ns += row.total_ns
        if row.launch is not None and row.max_ns > self.launch_ns:
            self.launch, self.launch_ns = row.launch, row.max_ns
        place = _place_of(row)
        self.places[place] = self.places.get(place, 0) + row.total_ns
        if len(self.places) > _MAX_PLACES:
            self.places = dict(sorted(self.places.items(), key=lambda item: -item[1])[: _MAX_PLACES // 2])

    def fold(self, other: Total) -> None:
        """Takes in the numbers of another kernel, not its places."""
        self.calls += other.calls
        self.total_ns += other.total_ns
        self.min_ns = other.min_ns if self.min_ns is None else min(self.min_ns, other.min_ns or 0)
        self.max_ns = max(self.max_ns, other.max_ns)

    @property
    def origin(self) -> str | None:
        """Who made the kernel."""
        return self._told()[2]

    def kernel(self, whole: Whole) -> Kernel:
        """All that is known of it."""
        told, modules, maker = self._told()
        return Kernel(  # by place, since there are hundreds each second, and names cost as much again
            self.name,
            self.kind,
            self.calls,
            self.total_ns,
            whole.share(self.total_ns),
            self.total_ns / self.calls if self.calls else 0.0,
            self.min_ns or 0,
            self.max_ns,
            told.device,
            told.stream,
            told.op,
            told.module,
            modules,
            told.location,
            maker,
            told.phase,
            self.bytes,
            None if self.bytes is None else _rate(self.bytes, self.bytes_ns),
            None if self.flops is None else _rate(self.flops, self.flops_ns),
            None if whole.per_step is None else self.total_ns * whole.per_step,
            self.launch,
        )

    def _told(self) -> tuple[_Place, int, str | None]:
        """Of each part of a place the value with most time, how many modules there are, and who made the kernel."""
        if len(self.places) != 1:
            phase = _most(self._by("phase"))
            told = _Place._make(_most(self._by(part, phase)) for part in _Place._fields)
            return told, len(self._by("module")), self._origin(told)
        if self._only is None:  # as nearly always there is one place, which stays
            told = _Place._make(*self.places)
            self._only = told, int(told.module is not None), self._origin(told)
        return self._only

    def _by(self, part: str, phase: str | None = None) -> dict[str | int, int]:
        """Time by the values of one part of the places of a phase, or of all; without those that are unknown."""
        at, found = _Place._fields.index(part), dict[str | int, int]()
        for place, ns in self.places.items():
            if (value := place[at]) is not None and phase in (None, place[_PHASE]):
                found[value] = found.get(value, 0) + ns
        return found

    def _origin(self, told: _Place) -> str | None:
        if self.kind == OTHER:
            return None
        return told.origin or origin(self.name, told.library, told.op)


def _most(by: dict[str | int, int]) -> Any:
    return max(by, key=by.__getitem__, default=None)


def _rate(amount: int, ns: int) -> float | None:
    return amount * 1e9 / ns if ns > 0 else None


class _Group:
    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._rows: dict[tuple[str, str], Total] = {}
        self._other: Total | None = None
        self._steps = 0.0
        self._stepped_ns = 0  # kernel time of the windows that counted their steps
        self.total_ns = 0
        self.folded = 0

    def add(self, rows: Sequence[KernelRow], steps: float | None) -> None:
        """Of one window, with the steps that it saw."""
        known = self._rows.get
        for row in rows:
            (known((row.kind, row.name)) or self._new(row)).add(row)
        took_ns = sum(row.total_ns for row in rows)
        self.total_ns += took_ns
        if steps is not None and steps > 0:
            self._steps += steps
            self._stepped_ns += took_ns
        if len(self._rows) > 2 * self._max_rows:  # twice, so that sorting is rare
            self._shrink()

    def _new(self, row: KernelRow) -> Total:
        """The sum of a kernel that has none yet, and of those without a name."""
        if row.name == OTHER_NAME:
            self._other = self._other or Total(OTHER_NAME, OTHER)
            return self._other
        total = self._rows[row.kind, row.name] = Total(row.name, row.kind)
        return total

    def ranked(self) -> list[Total]:
        if len(self._rows) > self._max_rows:
            self._shrink()
        rows = sorted(self._rows.values(), key=lambda total: (-total.total_ns, total.name))
        if self._other is not None:
            rows.append(self._other)
        return rows

    def whole(self) -> Whole:
        """Windows that saw no steps count by the others."""
        counted = self._steps and self.total_ns
        return Whole(self.total_ns, self._stepped_ns / self.total_ns / self._steps if counted else None)

    def _shrink(self) -> None:
        by_time = sorted(self._rows.items(), key=lambda item: -item[1].total_ns)
        self._rows = dict(by_time[: self._max_rows])
        self._other = self._other or Total(OTHER_NAME, OTHER)
        for _, total in by_time[self._max_rows :]:
            self._other.fold(total)
            self.folded += 1
