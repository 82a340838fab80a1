"""The Timeline: all that views know. Filled with Frames by a live session or by a replay, it can't tell which.

One thread adds to it and reads it: a sink that lives on another thread hands its frames over in batches.
Memory is bounded: old readings become minima, means and maxima, old windows become sums.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from acceltop.profiler.history.bands import Band, Ints, Points, band, ints, layered, of_columns, of_level, of_raw
from acceltop.profiler.history.levels import SECOND_NS, Series
from acceltop.profiler.history.merge import KernelMerger, StackMerger
from acceltop.profiler.history.steps import StepHistory
from acceltop.profiler.history.subjects import DeviceState, ProcessState, Subjects, make_room
from acceltop.profiler.history.tiers import Tiered
from acceltop.profiler.model import (
    PHASES,
    ClockSync,
    Cost,
    DeviceFound,
    DeviceLost,
    Frame,
    Hello,
    KernelWindow,
    MemoryStats,
    Note,
    ProcessFound,
    ProcessGone,
    Sample,
    StackWindow,
    Steps,
)

__all__ = ["Band", "DeviceState", "Key", "ProcessState", "Reading", "State", "StepColumns", "Timeline"]
MAX_NOTES = 2_000
RECENT_KERNELS, RECENT_STACKS = 150, 60  # windows kept as they came: 5 minutes of the one, 10 of the other
MAX_SLICES = 400_000  # single calls kept, of one process


class Key(NamedTuple):
    """A series: of a device, of a process, of a process on a device, or (both absent) of the host."""

    metric: str
    device: str | None = None
    pid: int | None = None


class Reading(NamedTuple):
    """A value, when it was read, and by which source."""

    time_ns: int
    value: float
    source: str


class State(NamedTuple):
    """A word (performance state, throttle reason) and when it was read."""

    time_ns: int
    word: str


@dataclass(frozen=True)
class StepColumns:
    """Steps one by one, oldest first, in ns. A phase is -1 where nobody measured it."""

    index: Ints
    start_ns: Ints
    duration_ns: Ints
    profiled: Ints
    phases: Mapping[str, Ints] = field(default_factory=dict)


class Timeline:
    """Add frames with `add`; ask with a time range in ns. What is unknown is None, NaN or empty."""

    def __init__(self) -> None:
        self.versions: Counter[str] = Counter()
        """Frames taken in, by kind ("Sample" …): a view that remembers the count knows whether to look again."""
        self.rejected = 0
        """Frames not taken in: numbers out of range, or more subjects than any machine has."""
        self.hosts: dict[str, Hello] = {}
        self._subjects = Subjects()
        self._span: tuple[int, int] | None = None
        self._series: dict[Key, Series] = {}
        self._latest: dict[Key, Reading] = {}
        self._states: dict[tuple[str | None, int | None], dict[str, State]] = {}
        self._steps: dict[int, StepHistory] = {}
        self._kernels: dict[tuple[int, str], Tiered[KernelWindow]] = {}
        self._stacks: dict[tuple[int, str], Tiered[StackWindow]] = {}
        self._memory: dict[tuple[int, str | None], MemoryStats] = {}
        self._cost: dict[int, Cost] = {}
        self._notes: deque[Note] = deque(maxlen=MAX_NOTES)
        self._adders: dict[type, Callable[[Any], None]] = {
            Hello: self._add_hello,
            ClockSync: lambda frame: None,
            DeviceFound: self._subjects.device_found,
            DeviceLost: self._subjects.device_lost,
            ProcessFound: self._subjects.process_found,
            ProcessGone: self._subjects.process_gone,
            Sample: self._add_sample,
            KernelWindow: self._add_kernels,
            StackWindow: self._add_stacks,
            Steps: self._add_steps,
            MemoryStats: self._add_memory,
            Cost: self._add_cost,
            Note: self._notes.append,
        }

    # --- filling

    def add(self, frame: Frame) -> None:
        """Takes one frame in; never raises for what is in it (see `rejected`)."""
        try:
            self._adders[type(frame)](frame)
        except OverflowError:
            self.rejected += 1
            return
        self.versions[type(frame).__name__] += 1
        self._extend(frame.time_ns)

    def add_all(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.add(frame)

    def _extend(self, time_ns: int) -> None:
        t0, t1 = self._span or (time_ns, time_ns)
        self._span = min(t0, time_ns), max(t1, time_ns)

    def _add_hello(self, frame: Hello) -> None:
        make_room(self.hosts, frame.host)
        self.hosts[frame.host] = frame

    def _add_sample(self, frame: Sample) -> None:
        device = self._subjects.canonical(frame.device)
        self._subjects.seen(device, frame.pid, frame.time_ns)
        if frame.states:
            self._add_states(device, frame)
        for metric, value in frame.values.items():
            self._add_value(Key(metric, device, frame.pid), frame.time_ns, value, frame.source)

    def _add_value(self, key: Key, time_ns: int, value: float, source: str) -> None:
        _kept(self._series, key, Series).add(time_ns, value)
        self._latest[key] = Reading(time_ns, value, source)

    def _add_states(self, device: str | None, frame: Sample) -> None:
        words = _kept(self._states, (device, frame.pid), dict)
        for name, word in frame.states.items():
            make_room(words, name)
            words[name] = State(frame.time_ns, word)

    def _add_kernels(self, frame: KernelWindow) -> None:
        key = frame.pid, frame.source
        store = _kept(self._kernels, key, lambda: Tiered(KernelMerger, RECENT_KERNELS))
        store.add(frame)
        if frame.slices is not None:
            _bound_slices(store.recent)

    def _add_stacks(self, frame: StackWindow) -> None:
        key = frame.pid, frame.source
        _kept(self._stacks, key, lambda: Tiered(StackMerger, RECENT_STACKS)).add(frame)

    def _add_steps(self, frame: Steps) -> None:
        _kept(self._steps, frame.pid, StepHistory).add(frame)

    def _add_memory(self, frame: MemoryStats) -> None:
        key = frame.pid, self._subjects.canonical(frame.device)
        make_room(self._memory, key)
        self._memory[key] = frame
        for name in ("allocated", "reserved", "peak"):
            value = getattr(frame, name)
            if value is not None:
                series = Key(f"process.allocator.{name}", key[1], frame.pid)
                self._add_value(series, frame.time_ns, value, frame.source)

    def _add_cost(self, frame: Cost) -> None:
        make_room(self._cost, frame.pid)
        self._cost[frame.pid] = frame
        self._add_value(Key("acceltop.cost", None, frame.pid), frame.time_ns, frame.ratio, "agent")

    # --- asking: subjects

    @property
    def version(self) -> int:
        """Grows with every frame taken in."""
        return self.versions.total()

    @property
    def span(self) -> tuple[int, int] | None:
        """Time of the first and of the last frame, in ns."""
        return self._span

    @property
    def devices(self) -> Mapping[str, DeviceState]:
        return self._subjects.devices

    @property
    def processes(self) -> Mapping[int, ProcessState]:
        return self._subjects.processes

    def states(self, device: str | None = None, pid: int | None = None) -> Mapping[str, State]:
        return self._states.get((self._subjects.canonical(device), pid), {})

    def memory(self, pid: int) -> list[MemoryStats]:
        """The framework's allocator as last told, by device."""
        return [stats for (owner, _), stats in self._memory.items() if owner == pid]

    def cost(self, pid: int) -> Cost | None:
        return self._cost.get(pid)

    def notes(self, t0_ns: int | None = None, t1_ns: int | None = None) -> list[Note]:
        """Oldest first."""
        return [
            note
            for note in self._notes
            if (t0_ns is None or note.time_ns >= t0_ns) and (t1_ns is None or note.time_ns <= t1_ns)
        ]

    # --- asking: numbers

    def keys(self) -> Iterable[Key]:
        """All series that there are."""
        return self._series.keys()

    def latest(
        self, metric: str, device: str | None = None, pid: int | None = None, at_ns: int | None = None
    ) -> Reading | None:
        """The last reading, or the last one at or before `at_ns`."""
        key = Key(metric, self._subjects.canonical(device), pid)
        newest = self._latest.get(key)
        if newest is None or at_ns is None or newest.time_ns <= at_ns:
            return newest
        points = self._points(key)
        index = int(np.searchsorted(points.times, at_ns, "right")) - 1
        if index < 0:
            return None
        value = float(points.total[index] / points.count[index])
        return Reading(int(points.times[index]), value, newest.source)

    def series(self, key: Key, t0_ns: int, t1_ns: int, points: int) -> Band:
        """`points` bins over the range, NaN where nothing is known."""
        key = key._replace(device=self._subjects.canonical(key.device))
        return band(self._points(key), t0_ns, t1_ns, points)

    def _points(self, key: Key) -> Points:
        series = self._series.get(key) or Series()
        return layered(of_raw(series.raw), of_level(series.fine))

    # --- asking: steps

    def steps(self, pid: int, t0_ns: int | None = None, t1_ns: int | None = None) -> StepColumns:
        """Steps that began in the range, as far back as they are kept one by one."""
        rows = (self._steps.get(pid) or StepHistory()).rows
        first, last = 0, len(rows)
        starts = rows.arrays[1]
        if t0_ns is not None:
            first = bisect_right(starts, t0_ns - 1)
        if t1_ns is not None:
            last = bisect_right(starts, t1_ns)
        index, start, duration, profiled, *phases = (ints(column[first:last]) for column in rows.arrays)
        return StepColumns(index, start, duration, profiled, dict(zip(PHASES, phases, strict=True)))

    def step_bands(self, pid: int, t0_ns: int, t1_ns: int, points: int) -> Mapping[str, Band]:
        """Duration ("") and phases of steps in ns, as far back as anything is known."""
        history = self._steps.get(pid) or StepHistory()
        fine = t1_ns - t0_ns < points * SECOND_NS  # else the points are no finer than the level of a second
        single = self.steps(pid, t0_ns, t1_ns) if fine else None
        bands = {}
        for name, level in history.levels.items():
            known = of_level(level)
            if single is not None:
                known = layered(_of_steps(single, name), known)
            bands[name] = band(known, t0_ns, t1_ns, points)
        return bands

    # --- asking: windows

    def windows(self, pid: int, t0_ns: int, t1_ns: int) -> list[KernelWindow]:
        """Kernel windows that overlap the range, whole; older ones are sums over minutes and quarters."""
        return _between(self._kernels, pid, t0_ns, t1_ns)

    def stacks(self, pid: int, t0_ns: int, t1_ns: int) -> list[StackWindow]:
        """Stack windows that overlap the range, as `windows`."""
        return _between(self._stacks, pid, t0_ns, t1_ns)


K = TypeVar("K")
V = TypeVar("V")


def _kept(table: dict[K, V], key: K, make: Callable[[], V]) -> V:
    value = table.get(key)
    if value is None:
        make_room(table, key)
        value = table[key] = make()
    return value


def _between(stores: Mapping[tuple[int, str], Tiered[Any]], pid: int, t0_ns: int, t1_ns: int) -> list[Any]:
    found = [store.between(t0_ns, t1_ns) for (owner, _), store in stores.items() if owner == pid]
    return sorted((window for windows in found for window in windows), key=lambda window: window.t0_ns)


def _of_steps(steps: StepColumns, name: str) -> Points:
    values = steps.phases[name] if name else steps.duration_ns
    known = values >= 0
    return of_columns(steps.start_ns[known], values[known].astype(np.float64))


def _bound_slices(windows: deque[KernelWindow]) -> None:
    """Lets go the slices of the oldest windows beyond MAX_SLICES."""
    total = 0
    for place in range(len(windows) - 1, -1, -1):
        slices = windows[place].slices
        if slices is None:
            continue
        total += len(slices.start_ns)
        if total > MAX_SLICES:
            windows[place] = replace(windows[place], slices=None)
