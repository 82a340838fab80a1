"""The Timeline: all that views know. Filled with Frames by a live session or by a replay, it can't tell which.

One thread adds to it and reads it: a sink that lives on another thread hands its frames over in batches.
Memory is bounded: old readings become minima, means and maxima, old windows become sums.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from acceltop.profiler.history.bands import (
    NOTHING,
    Band,
    Ints,
    Points,
    band,
    layered,
    of_columns,
    of_level,
    of_series,
)
from acceltop.profiler.history.levels import SECOND_NS
from acceltop.profiler.history.steps import StepHistory
from acceltop.profiler.history.store import History, Key, Limits, Reading
from acceltop.profiler.history.subjects import DeviceState, ProcessState
from acceltop.profiler.history.tiers import Tiered, W
from acceltop.profiler.model import PHASES, Cost, KernelWindow, MemoryStats, Note, StackWindow

__all__ = ["Band", "DeviceState", "Key", "ProcessState", "Reading", "StepColumns", "Timeline"]


@dataclass(frozen=True)
class StepColumns:
    """Steps one by one, oldest first, in ns. A phase is -1 where nobody measured it."""

    index: Ints
    start_ns: Ints
    duration_ns: Ints
    profiled: Ints
    phases: Mapping[str, Ints] = field(default_factory=dict)


class Timeline(History):
    """Add frames with `add`; ask with a time range in ns. What is unknown is None, NaN or empty.

    A replay of a long trace adds its overview and then, for the range on the screen, `show_detail`.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._detail: History | None = None
        self._detail_span: tuple[int, int] | None = None

    def new_detail(self) -> History:
        """Empty; to be filled with what a trace holds of a range, then shown."""
        return History(self.limits, self.subjects)

    def show_detail(self, detail: History, span: tuple[int, int] | None = None) -> None:
        """A range in detail, instead of the one before; the rest is known from the overview.

        Within `span` (ns) the detail knows every window of kernels and stacks.
        """
        self._detail, self._detail_span = detail, span
        self.versions.update(detail.versions, detail=1)

    def _finest(self) -> Iterator[History]:
        """Where to look first."""
        if self._detail is not None:
            yield self._detail
        yield self

    # --- asking: subjects

    @property
    def version(self) -> int:
        """Grows with every frame taken in."""
        return self.versions.total()

    @property
    def devices(self) -> Mapping[str, DeviceState]:
        return self.subjects.devices

    @property
    def processes(self) -> Mapping[int, ProcessState]:
        return self.subjects.processes

    def word(self, name: str, device: str | None, pid: int | None = None, at_ns: int | None = None) -> str | None:
        """The word (performance state, throttle reason) at that moment, or the last one."""
        key = self.subjects.canonical(device), pid
        for history in self._finest():
            for state in reversed(history.words.get(key, {}).get(name, ())):
                if at_ns is None or state.time_ns <= at_ns:
                    return state.word
        return None

    def memory(self, pid: int) -> list[MemoryStats]:
        """The framework's allocator as last told, by device."""
        told: dict[str | None, MemoryStats] = {}
        for history in self._finest():
            for (owner, device), stats in history.memory_stats.items():
                if owner == pid:
                    told.setdefault(device, stats)
        return list(told.values())

    def cost(self, pid: int) -> Cost | None:
        return next((history.costs[pid] for history in self._finest() if pid in history.costs), None)

    def notes(self, t0_ns: int | None = None, t1_ns: int | None = None) -> list[Note]:
        """Oldest first."""
        return [
            note
            for note in self.all_notes
            if (t0_ns is None or note.time_ns >= t0_ns) and (t1_ns is None or note.time_ns <= t1_ns)
        ]

    # --- numbers

    def keys(self) -> Iterable[Key]:
        """All series that there are."""
        return dict.fromkeys(key for history in self._finest() for key in history.values)

    @property
    def series_count(self) -> int:
        """Grows when something is told of for the first time."""
        return self.series_made + (self._detail.series_made if self._detail else 0)

    def latest(
        self, metric: str, device: str | None = None, pid: int | None = None, at_ns: int | None = None
    ) -> Reading | None:
        """The last reading, or the last one at or before `at_ns`."""
        return self._reading(Key(metric, self.subjects.canonical(device), pid), at_ns)

    def value(self, key: Key, at_ns: int | None = None) -> float | None:
        """As `latest`, its number alone."""
        if key.device in self.subjects.twins:
            key = self._canonical(key)
        if at_ns is None and self._detail is None:  # a live screen asks for hundreds each second
            series = self.values.get(key)
            return None if series is None else series.value
        reading = self._reading(key, at_ns)
        return None if reading is None else reading.value

    def _reading(self, key: Key, at_ns: int | None) -> Reading | None:
        series = next((history.values[key] for history in self._finest() if key in history.values), None)
        if series is None:
            return None
        if at_ns is None or series.time_ns <= at_ns:
            return Reading(series.time_ns, series.value, series.source)
        points = self._points(key, at_ns, at_ns)
        index = int(np.searchsorted(points.times, at_ns, "right")) - 1
        if index < 0:
            return None
        value = float(points.total[index] / points.count[index])
        return Reading(int(points.times[index]), value, series.source)

    def series(self, key: Key, t0_ns: int, t1_ns: int, points: int) -> Band:
        """`points` bins over the range, NaN where nothing is known."""
        return band(self._points(self._canonical(key), t0_ns, t1_ns), t0_ns, t1_ns, points)

    def raw(self, key: Key) -> tuple[array[float], array[float]] | None:
        """Times and values of the newest readings as they came; None where more is known than those."""
        series = self.values.get(self._canonical(key))
        return None if series is None or self._detail is not None else (series.raw.arrays[0], series.raw.arrays[1])

    def _canonical(self, key: Key) -> Key:
        """Under the id by which its device is kept."""
        return key._replace(device=self.subjects.canonical(key.device))

    def _points(self, key: Key, t0_ns: int, t1_ns: int) -> Points:
        """What is known of a range, and around it."""
        known = NOTHING
        for history in self._finest():
            if (series := history.values.get(key)) is not None:
                known = layered(known, of_series(series, t0_ns, t1_ns))
        return known

    # --- steps

    def steps(self, pid: int, t0_ns: int | None = None, t1_ns: int | None = None) -> StepColumns:
        """Steps that ended after `t0_ns`, and by `t1_ns`, as far back as they are kept one by one."""
        found = (history.step_histories[pid] for history in self._finest() if pid in history.step_histories)
        history = next(found, StepHistory())
        rows = history.rows
        first = 0 if t0_ns is None else history.ended(t0_ns)
        last = len(rows) if t1_ns is None else history.ended(t1_ns)
        columns = [np.asarray(column)[first:last].astype(np.int64) for column in rows.arrays]
        index, start, duration, profiled, *phases = columns
        return StepColumns(index, start, duration, profiled, dict(zip(PHASES, phases, strict=True)))

    def step_bands(self, pid: int, t0_ns: int, t1_ns: int, points: int) -> Mapping[str, Band]:
        """Duration ("") and phases of steps in ns, as far back as anything is known."""
        known: dict[str, Points] = {}
        if t1_ns - t0_ns < points * SECOND_NS:  # else the points are no finer than the level of a second
            single = self.steps(pid, t0_ns, t1_ns)
            known = {name: _of_steps(single, name) for name in ("", *PHASES)}
        for history in self._finest():
            if (steps := history.step_histories.get(pid)) is not None:
                for name, level in steps.levels.items():
                    known[name] = layered(known.get(name, NOTHING), of_level(level, t0_ns, t1_ns))
        return {name: band(what, t0_ns, t1_ns, points) for name, what in known.items() if len(what.times)}

    # --- windows

    def windows(self, pid: int, t0_ns: int, t1_ns: int) -> list[KernelWindow]:
        """Kernel windows that ended in the range, whole; older ones are sums over minutes and quarters."""
        return _between(self._covering(t0_ns, t1_ns).kernel_windows, pid, t0_ns, t1_ns)

    def stacks(self, pid: int, t0_ns: int, t1_ns: int) -> list[StackWindow]:
        """Stack windows of the range, as `windows`."""
        return _between(self._covering(t0_ns, t1_ns).stack_windows, pid, t0_ns, t1_ns)

    def _covering(self, t0_ns: int, t1_ns: int) -> History:
        if self._detail is None or self._detail_span is None:
            return self
        first, last = self._detail_span
        return self._detail if first <= t0_ns and t1_ns <= last else self


def _between(stores: Mapping[tuple[int, str], Tiered[W]], pid: int, t0_ns: int, t1_ns: int) -> list[W]:
    found = [store.between(t0_ns, t1_ns) for (owner, _), store in stores.items() if owner == pid]
    return sorted((window for windows in found for window in windows), key=lambda window: window.t0_ns)


def _of_steps(steps: StepColumns, name: str) -> Points:
    values = steps.phases[name] if name else steps.duration_ns
    known = values >= 0
    return of_columns(steps.start_ns[known], values[known].astype(np.float64))
