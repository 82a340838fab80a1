"""Takes Frames in and keeps what is worth keeping, in bounded memory. Standard library alone."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history.levels import FINE_CAPACITY, MAX_TIME_NS, RAW_CAPACITY, Buckets, Level, Series
from acceltop.profiler.history.merge import KernelMerger, StackMerger
from acceltop.profiler.history.steps import STEP_CAPACITY, StepHistory
from acceltop.profiler.history.subjects import Subjects, make_room
from acceltop.profiler.history.tiers import TIERS, Tiered
from acceltop.profiler.model import (
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

MAX_NOTES = 2_000
MAX_CHANGES = 256  # of a word
MAX_SLICES = 400_000  # single calls kept, of one process
ENDED_NS = 3600 * NS_PER_S  # how long, at least, what is known of a process stays after its end


class Key(NamedTuple):
    """A series: of a device, of a process, of a process on a device, or (both absent) of the host."""

    metric: str
    device: str | None = None
    pid: int | None = None


class StepKey(NamedTuple):
    """The steps of a process: their duration (phase "") or a phase of theirs."""

    pid: int
    phase: str


class Reading(NamedTuple):
    """A value, when it was read, and by which source."""

    time_ns: int
    value: float
    source: str


class State(NamedTuple):
    """A word (performance state, throttle reason) and since when it is read."""

    time_ns: int
    word: str


@dataclass(frozen=True)
class Limits:
    """How much is kept of each thing."""

    raw: int = RAW_CAPACITY  # readings of a series as they came, and steps by the second
    fine: int = FINE_CAPACITY  # means of 10 s
    steps: int = STEP_CAPACITY  # steps one by one
    kernels: int = 150  # kernel windows as they came: 5 minutes
    kernel_rows: int = 300  # of a merged window
    stacks: int = 60  # stack windows as they came: 10 minutes
    stack_rows: int = 2000
    tiers: tuple[tuple[int, int], ...] = TIERS
    ended: int = 64  # processes that ended more than ENDED_NS before another one


class History:
    """The stores, and `add`. A frame that can't be taken in is counted in `rejected`."""

    def __init__(self, limits: Limits | None = None, subjects: Subjects | None = None) -> None:
        self.limits = limits or Limits()
        self.versions: Counter[str] = Counter()
        """Frames taken in, by kind ("Sample" …): a view that remembers the count knows whether to look again."""
        self.rejected = 0
        """Frames not taken in: numbers out of range, or more subjects than any machine has."""
        self.hosts: dict[str, Hello] = {}
        self.subjects = subjects or Subjects()
        self.span: tuple[int, int] | None = None
        """Time of the first and of the last frame, in ns."""
        self.values: dict[Key, Series] = {}
        self.series_made = 0
        self._series_of: dict[tuple[str | None, int | None], dict[str, Series]] = {}
        self.words: dict[tuple[str | None, int | None], dict[str, deque[State]]] = {}
        self.step_histories: dict[int, StepHistory] = {}
        self.kernel_windows: dict[tuple[int, str], Tiered[KernelWindow]] = {}
        self.stack_windows: dict[tuple[int, str], Tiered[StackWindow]] = {}
        self.memory_stats: dict[tuple[int, str | None], MemoryStats] = {}
        self.costs: dict[int, Cost] = {}
        self.all_notes: deque[Note] = deque(maxlen=MAX_NOTES)
        self._ended: dict[int, int] = {}  # when each process did, in that order
        self._adders: dict[type, Callable[[Any], None]] = {
            Hello: self._add_hello,
            ClockSync: lambda frame: None,
            DeviceFound: self.subjects.device_found,
            DeviceLost: self.subjects.device_lost,
            ProcessFound: self.subjects.process_found,
            ProcessGone: self._add_gone,
            Sample: self._add_sample,
            KernelWindow: self._add_kernels,
            StackWindow: self._add_stacks,
            Steps: self._add_steps,
            MemoryStats: self._add_memory,
            Cost: self._add_cost,
            Note: self.all_notes.append,
        }

    def add(self, frame: Frame) -> None:
        """Takes one frame in; never raises for what is in it."""
        try:
            if abs(frame.time_ns) > MAX_TIME_NS:
                raise OverflowError(f"{frame.time_ns} is no time")
            self._adders[type(frame)](frame)
        except OverflowError:
            self.rejected += 1
            return
        self.versions[type(frame).__name__] += 1
        self.widen(frame.time_ns, frame.time_ns)

    def widen(self, t0_ns: int, t1_ns: int) -> None:
        """Something is known of that time."""
        t0, t1 = self.span or (t0_ns, t1_ns)
        self.span = min(t0, t0_ns), max(t1, t1_ns)

    def add_all(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.add(frame)

    def load_summary(self, frames: Iterable[Frame]) -> None:
        """Into an empty History; windows among them are sums."""
        self.add_all(frames)
        for kernels in self.kernel_windows.values():
            kernels.are_sums()
        for stacks in self.stack_windows.values():
            stacks.are_sums()

    def levels(self) -> Iterator[tuple[Key | StepKey, Level]]:
        """The finest level of everything."""
        for key, series in self.values.items():
            series.settle()
            yield key, series.fine
        for pid, steps in self.step_histories.items():
            for phase, level in steps.levels.items():
                yield StepKey(pid, phase), level

    def load_level(self, key: Key | StepKey, width_ns: int, buckets: Buckets) -> None:
        """Buckets that were kept elsewhere. Raises OverflowError for numbers that have no room."""
        if not buckets.start_ns:
            return
        level: Level | None
        if isinstance(key, StepKey):
            level = _kept(self.step_histories, key.pid, self._step_store).level(key.phase)
        else:
            series = self._series(key)
            level = series.fine
            if buckets.start_ns[-1] > series.time_ns:
                series.time_ns, series.value = buckets.start_ns[-1], buckets.total[-1] / buckets.calls[-1]
        while level is not None and level.width_ns != width_ns:
            level = level.coarser
        if level is not None:
            level.load(buckets)

    def _add_hello(self, frame: Hello) -> None:
        make_room(self.hosts, frame.host)
        self.hosts[frame.host] = frame

    def _add_gone(self, frame: ProcessGone) -> None:
        if frame.pid not in self.subjects.processes:
            return
        self.subjects.process_gone(frame)
        self._ended.pop(frame.pid, None)
        self._ended[frame.pid] = frame.time_ns
        while len(self._ended) > self.limits.ended:
            pid, ended_ns = next(iter(self._ended.items()))
            if ended_ns > frame.time_ns - ENDED_NS:
                return
            self._forget(pid)

    def _forget(self, pid: int) -> None:
        """All that is known of a process, unless its number is in use again."""
        del self._ended[pid]
        if self.subjects.processes[pid].gone is None:
            return
        tables: tuple[dict[Any, Any], ...] = (
            self.subjects.processes, self.values, self._series_of, self.words, self.step_histories,
            self.kernel_windows, self.stack_windows, self.memory_stats, self.costs,
        )  # fmt: skip
        for table in tables:
            for key in [key for key in table if key == pid or isinstance(key, tuple) and pid in key]:
                del table[key]

    def _add_sample(self, frame: Sample) -> None:
        device = self.subjects.canonical(frame.device)
        self.subjects.seen(device, frame.pid, frame.time_ns)
        if frame.states:
            self._add_states(device, frame)
        known = _kept(self._series_of, (device, frame.pid), dict)
        for metric, value in frame.values.items():
            series = known.get(metric)
            if series is None:
                series = known[metric] = self._series(Key(metric, device, frame.pid))
            series.add(frame.time_ns, value, frame.source)

    def _series(self, key: Key) -> Series:
        return _kept(self.values, key, self._new_series)

    def _new_series(self) -> Series:
        self.series_made += 1
        return Series(self.limits.raw, self.limits.fine)

    def _add_states(self, device: str | None, frame: Sample) -> None:
        words = _kept(self.words, (device, frame.pid), dict)
        for name, word in frame.states.items():
            changes = _kept(words, name, _changes)
            if not changes or changes[-1].word != word:
                changes.append(State(frame.time_ns, word))

    def _add_kernels(self, frame: KernelWindow) -> None:
        key = frame.pid, frame.source
        store = _kept(self.kernel_windows, key, self._kernel_store)
        store.add(frame)
        if frame.slices is not None:
            _bound_slices(store.recent)

    def _add_stacks(self, frame: StackWindow) -> None:
        key = frame.pid, frame.source
        _kept(self.stack_windows, key, self._stack_store).add(frame)

    def _kernel_store(self) -> Tiered[KernelWindow]:
        limits = self.limits
        return Tiered(lambda: KernelMerger(limits.kernel_rows), limits.kernels, limits.tiers)

    def _stack_store(self) -> Tiered[StackWindow]:
        limits = self.limits
        return Tiered(lambda: StackMerger(limits.stack_rows), limits.stacks, limits.tiers)

    def _step_store(self) -> StepHistory:
        return StepHistory(self.limits.steps, self.limits.raw, self.limits.fine)

    def _add_steps(self, frame: Steps) -> None:
        _kept(self.step_histories, frame.pid, self._step_store).add(frame)

    def _add_memory(self, frame: MemoryStats) -> None:
        key = frame.pid, self.subjects.canonical(frame.device)
        make_room(self.memory_stats, key)
        self.memory_stats[key] = frame
        for name in ("allocated", "reserved", "peak"):
            value = getattr(frame, name)
            if value is not None:
                series = self._series(Key(f"process.allocator.{name}", key[1], frame.pid))
                series.add(frame.time_ns, value, frame.source)

    def _add_cost(self, frame: Cost) -> None:
        make_room(self.costs, frame.pid)
        self.costs[frame.pid] = frame
        self._series(Key("acceltop.cost", None, frame.pid)).add(frame.time_ns, frame.ratio, "agent")


K = TypeVar("K")
V = TypeVar("V")


def _kept(table: dict[K, V], key: K, make: Callable[[], V]) -> V:
    value = table.get(key)
    if value is None:
        make_room(table, key)
        value = table[key] = make()
    return value


def _changes() -> deque[State]:
    return deque(maxlen=MAX_CHANGES)


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
