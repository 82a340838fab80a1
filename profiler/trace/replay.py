"""A trace as a source of Frames again: at any speed, from any place; and as the filling of a Timeline."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator

from acceltop.profiler.clock import NS_PER_S, monotonic
from acceltop.profiler.history.store import Limits
from acceltop.profiler.history.subjects import MAX_SUBJECTS
from acceltop.profiler.model import ClockSync, DeviceFound, Frame, Hello, ProcessFound
from acceltop.profiler.timeline import Timeline
from acceltop.profiler.trace.problems import within
from acceltop.profiler.trace.reader import Progress, TraceReader
from acceltop.profiler.trace.summary import load

DETAIL_NS = 600 * NS_PER_S  # the longest range that is shown frame by frame; longer ones by their levels of 10 s
LEVELS_NS = 6 * 3600 * NS_PER_S  # and of longer ones the levels of 5 min, which the overview has, are enough
_PATIENCE_S = 0.25


class ReplaySource:
    """Frames of a trace, as they were recorded. Iterate on one thread; the rest may be called from any."""

    def __init__(self, reader: TraceReader, speed: float = 1.0, *, follow: bool = False) -> None:
        """`speed`: 1 as recorded, 2 twice as fast, 0 or infinite as fast as it goes. `follow`: a file that grows."""
        self._reader = reader
        self._follow = follow
        self._speed = speed
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._paused = False
        self._seek_ns: int | None = None
        self._anchor: tuple[float, int] | None = None  # a moment here, and the time in the trace at it

    def set_speed(self, speed: float) -> None:
        with self._changed:
            self._speed, self._anchor = speed, None
            self._changed.notify_all()

    def pause(self, paused: bool = True) -> None:
        with self._changed:
            self._paused, self._anchor = paused, None
            self._changed.notify_all()

    def seek(self, time_ns: int) -> None:
        """Goes on from the first frame at or after that time."""
        with self._changed:
            self._seek_ns, self._anchor = time_ns, None
            self._changed.notify_all()

    def stop(self) -> None:
        """Ends the iteration soon."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame]:
        start_ns: int | None = 0
        while start_ns is not None and not self._stop.is_set():
            for frame in self._frames(start_ns):
                if not self._wait_for(frame.time_ns):
                    break
                yield frame
            with self._changed:
                start_ns, self._seek_ns = self._seek_ns, None

    def _frames(self, start_ns: int) -> Iterator[Frame]:
        return self._reader.follow(self._stop, start_ns) if self._follow else self._reader.frames(start_ns)

    def _wait_for(self, time_ns: int) -> bool:
        """Until that time of the trace has come. False: stopped, or to go on elsewhere."""
        with self._changed:
            while not self._stop.is_set() and self._seek_ns is None:
                left = self._left(time_ns)
                if left <= 0:
                    return True
                self._changed.wait(min(left, _PATIENCE_S))
            return False

    def _left(self, time_ns: int) -> float:
        """Seconds from now."""
        if self._paused:
            return math.inf
        if self._speed <= 0 or math.isinf(self._speed):
            return 0.0
        if self._anchor is None:
            self._anchor = monotonic(), time_ns
        moment, then_ns = self._anchor
        return moment + (time_ns - then_ns) / NS_PER_S / self._speed - monotonic()


class Replay:
    """A Timeline filled with a trace: its overview at once, details of the range that is looked at."""

    def __init__(self, reader: TraceReader, progress: Progress | None = None, growing: bool = False) -> None:
        """Reads the overview; where there is none, the whole trace (`progress`: 0…1). `growing`: somebody writes it."""
        self.timeline = Timeline(Limits(ended=MAX_SUBJECTS))
        self._reader = reader
        overview = reader.overview(progress)
        overview.fill(self.timeline)
        self.t0_ns, self.t1_ns = overview.t0_ns, overview.t1_ns
        self._shown = (0, -1)
        for problem in reader.problems:
            if growing and problem.code == "trace.cut":
                continue
            self.timeline.add(within(problem, self.t0_ns, self.t1_ns))

    def show(self, t0_ns: int, t1_ns: int, stale: Callable[[], bool] = lambda: False, *, around: float = 0.25) -> None:
        """Knows the range in detail, and that part of it more at both ends; does nothing where it is known already.

        Gives up as soon as it is `stale`: nobody looks there any more.
        """
        first, last = self._shown
        if t1_ns < self.t0_ns or first <= max(t0_ns, self.t0_ns) and min(t1_ns, self.t1_ns) <= last:
            return
        margin = int((t1_ns - t0_ns) * around)
        t0_ns, t1_ns = t0_ns - margin, t1_ns + margin
        detail = self.timeline.new_detail()
        if t1_ns - t0_ns > DETAIL_NS:
            self._shown = t0_ns, t1_ns
            if t1_ns - t0_ns <= LEVELS_NS:
                load(detail, self._reader.levels(t0_ns, t1_ns))
            self.timeline.show_detail(detail)
            return
        for frame in self._reader.frames(t0_ns, t1_ns):
            if stale():
                return
            if not isinstance(frame, _IDENTITY):
                detail.add(frame)
        self._shown = t0_ns, t1_ns
        # Before the first frame there is nothing to know: a chart may cover more than the whole trace.
        self.timeline.show_detail(detail, (t0_ns if t0_ns > self.t0_ns else 0, t1_ns))


_IDENTITY = (Hello, ClockSync, DeviceFound, ProcessFound)  # the overview knows their last state
