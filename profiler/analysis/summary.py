"""The whole of a run in one document: the same for a live job, the end of a recording and a replayed trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from acceltop.profiler.analysis import document
from acceltop.profiler.analysis.counters import Counters
from acceltop.profiler.analysis.hotspots import DEVICE, SAMPLED, Hotspots
from acceltop.profiler.analysis.note_list import NoteList
from acceltop.profiler.analysis.stack_totals import StackTotals
from acceltop.profiler.analysis.steps import StepStatistics
from acceltop.profiler.history.subjects import Subjects, make_room
from acceltop.profiler.model import (
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

_DROPPED = "acceltop.frames.dropped"


class Summary:
    """Feed it every Frame, in order; ask for `document()` at any time. Memory is bounded, whatever comes."""

    def __init__(self) -> None:
        self.hellos: dict[str, Hello] = {}
        self.subjects = Subjects()
        self.counters: dict[tuple[str | None, int | None], Counters] = {}
        self.steps = StepStatistics()
        self.steps_of: dict[int, StepStatistics] = {}
        self.hotspots = Hotspots()
        self.stacks = StackTotals()
        self.memory: dict[tuple[int, str, str | None], MemoryStats] = {}
        self.costs: dict[int, Cost] = {}
        self.notes = NoteList()
        self.first_ns: int | None = None
        self.last_ns = 0
        self.frames_dropped = 0
        self._dropped_before = 0.0
        self.refused = 0  # frames about more things than there is room for
        self._handlers: dict[type, Callable[[Any], None]] = {
            Hello: self._hello,
            DeviceFound: self.subjects.device_found,
            DeviceLost: self.subjects.device_lost,
            Sample: self._sample,
            KernelWindow: self.hotspots.add,
            StackWindow: self.stacks.add,
            Steps: self._steps,
            MemoryStats: self._memory,
            Cost: self._cost,
            ProcessFound: self.subjects.process_found,
            ProcessGone: self.subjects.process_gone,
            Note: self.notes.add,
        }

    def add(self, frame: Frame) -> None:
        """Takes any kind of Frame; one about which there is nothing to sum only moves the clock."""
        start_ns = frame.start_ns if isinstance(frame, Steps) else getattr(frame, "t0_ns", frame.time_ns)
        self.first_ns = start_ns if self.first_ns is None else min(self.first_ns, start_ns)
        self.last_ns = max(self.last_ns, frame.time_ns)
        handler = self._handlers.get(type(frame))
        if handler is None:
            return
        try:
            handler(frame)
        except OverflowError:
            self.refused += 1

    def document(self) -> dict[str, Any]:
        """Plain JSON types, SI numbers; None is unknown."""
        return document.make(self)

    @property
    def duration_ns(self) -> int:
        return 0 if self.first_ns is None else self.last_ns - self.first_ns

    def end_of(self, pid: int) -> int:
        """When the recording or, before that, the process ended, ns."""
        state = self.subjects.processes.get(pid)
        return state.gone.time_ns if state and state.gone else self.last_ns

    @property
    def dropped(self) -> int:
        """Frames, records and windows lost to back-pressure."""
        return self.frames_dropped + sum(self.hotspots.coverage(group).dropped for group in (DEVICE, SAMPLED))

    @property
    def invalid(self) -> int:
        """Records thrown away as broken."""
        return self.refused + sum(self.hotspots.coverage(group).invalid for group in (DEVICE, SAMPLED))

    def _hello(self, frame: Hello) -> None:
        make_room(self.hellos, frame.host)
        self.hellos[frame.host] = frame

    def _sample(self, frame: Sample) -> None:
        device = self.subjects.canonical(frame.device)
        key = (device, frame.pid)
        make_room(self.counters, key)
        self.counters.setdefault(key, Counters()).add(frame.time_ns, frame.values, frame.states)
        self.subjects.seen(device, frame.pid, frame.time_ns)
        if _DROPPED in frame.values:
            # The count is of one session; a trace that goes on in a second one starts again from zero.
            now = frame.values[_DROPPED]
            self.frames_dropped += int(now - self._dropped_before if now >= self._dropped_before else now)
            self._dropped_before = now

    def _steps(self, frame: Steps) -> None:
        self.steps.add(frame)
        make_room(self.steps_of, frame.pid)
        self.steps_of.setdefault(frame.pid, StepStatistics()).add(frame)

    def _memory(self, frame: MemoryStats) -> None:
        key = (frame.pid, frame.source, self.subjects.canonical(frame.device))
        make_room(self.memory, key)
        self.memory[key] = frame

    def _cost(self, frame: Cost) -> None:
        make_room(self.costs, frame.pid)
        self.costs[frame.pid] = frame
