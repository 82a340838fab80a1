"""What all panes look at: the timeline, the moment, and what the user has picked. Holds no widget."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.history.subjects import DeviceState, ProcessState
from acceltop.profiler.timeline import Key, Timeline
from acceltop.views.draw.glyphs import FULL, Glyphs, area, band_of
from acceltop.views.link import Link
from acceltop.views.moment import Playhead
from acceltop.views.theme import PALETTES, Palette

R = TypeVar("R")


@dataclass
class Scene:
    timeline: Timeline
    link: Link
    head: Playhead
    palette: Palette = PALETTES["dark"]
    glyphs: Glyphs = FULL
    pid: int | None = None  # the process whose steps, kernels and stacks are shown; None: the first one with any
    device: str | None = None  # the one that was opened last
    filter: str = ""
    last_key_s: float = -1e9
    clock_s: Callable[[], float] = monotonic
    clock_ns: Callable[[], int] = now_ns
    _memo: dict[Hashable, tuple[object, Any]] = field(default_factory=dict)

    def memo(self, name: Hashable, key: object, make: Callable[[], R]) -> R:
        """`make()`, or its last result while `key` stays the same. One result a name is kept."""
        known = self._memo.get(name)
        if known is None or known[0] != key:
            known = self._memo[name] = (key, make())
        value: R = known[1]
        return value

    def area(self, name: Hashable, values: Sequence[float], rows: int) -> list[str]:
        """As `glyphs.area`, drawn when something has changed."""
        return self.memo(name, (values, rows, self.glyphs), lambda: area(values, rows, self.glyphs))

    def band(self, name: Hashable, band: tuple[Sequence[float], ...], rows: int) -> list[str]:
        """`area` of lowest, mean and highest, see `glyphs.band_of`; without braille of the mean alone."""
        if not self.glyphs.braille:
            return self.area(name, band[1], rows)
        return self.memo(name, (band, rows), lambda: band_of(band, rows))

    def seen(self, *kinds: str) -> Hashable:
        """Changes when frames of these kinds arrived, or another moment is shown.

        Into a picture that stands nothing comes any more but the detail of a recording: what ended before may be late.
        """
        head = self.head
        moment = None if head.at_end and head.selection is None else head.range_ns()
        told = kinds if head.at_end else ("detail",)
        return (id(self.timeline), moment, *(self.timeline.versions[kind] for kind in told))

    @property
    def place(self) -> Hashable:
        """Changes with a jump in time, and when a recording has read what was there: no order of before holds then."""
        return self.head.jumps, None if self.head.playing else self.timeline.versions["detail"]

    @property
    def now_ns(self) -> int:
        """The clock that ages are told against: of a recording, the moment that is shown."""
        return self.clock_ns() if self.head.state == "live" else self.head.at_ns

    @property
    def focus_pid(self) -> int | None:
        """The process that is shown: the picked one, else the lowest rank that was entered, else the only one."""
        if self.pid in self.timeline.processes:
            return self.pid
        return self.memo("focus", self.seen("ProcessFound", "ProcessGone", "Steps", "Cost"), self._first_pid)

    def _first_pid(self) -> int | None:
        processes = self.timeline.processes
        entered = [pid for pid in processes if self.entered(pid)]
        ranks = [pid for pid, process in processes.items() if process.found.rank is not None]
        alone = list(processes) if len(processes) == 1 else []
        return min(entered or ranks or alone, key=self._rank, default=None)

    def entered(self, pid: int) -> bool:
        """Whether anything came from inside the process in the range that is shown."""
        t0, t1 = self.head.range_ns()
        timeline = self.timeline
        return timeline.cost(pid) is not None or len(timeline.steps(pid, t0, t1).index) > 0

    def _rank(self, pid: int) -> tuple[int, int]:
        rank = self.timeline.processes[pid].found.rank
        return (rank if rank is not None else 1 << 30, pid)

    @property
    def process(self) -> ProcessState | None:
        pid = self.focus_pid
        return None if pid is None else self.timeline.processes[pid]

    def ranks(self) -> list[ProcessState]:
        """The processes of the job that the shown one belongs to, by rank."""
        process = self.process
        if process is None or process.found.rank is None:
            return [process] if process else []
        size = process.found.world_size
        peers = (p for p in self.timeline.processes.values() if p.found.rank is not None)
        return sorted((p for p in peers if p.found.world_size == size), key=lambda p: p.found.rank or 0)

    def value(self, metric: str, device: str | None = None, pid: int | None = None) -> float | None:
        return self.timeline.value(Key(metric, device, pid), self.head.cursor)

    def devices(self) -> list[DeviceState]:
        """Accelerators first, in the order of their index."""
        return sorted(self.timeline.devices.values(), key=_device_order)


def _device_order(state: DeviceState) -> tuple[bool, str, int, str]:
    found = state.found
    return (found.kind == "cpu", found.vendor, found.index if found.index is not None else 1 << 30, found.device)
