"""Their clock against ours: measured by asking for the time, put right where the two disagree for sure."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from acceltop.profiler.model import FRAMES, ClockSync, Frame

_NAMES = {"time_ns", "t0_ns", "t1_ns", "start_ns", "since_ns"}
_TIMES = {kind: tuple(field.name for field in fields(kind) if field.name in _NAMES) for kind in FRAMES}
_BETTER = 0.8  # a new measurement is worth a Frame when its error is this much of the one before
_MAX_SHIFT_NS = 100 * 366 * 86400 * 10**9


class RemoteClock:
    """Keeps the best answer of a connection: the one that took the shortest time on its way."""

    def __init__(self, name: str) -> None:
        self.offset_ns = 0  # theirs minus ours
        self.error_ns: int | None = None  # half of the round trip
        self._name = name

    def answered(self, asked_ns: int, theirs_ns: int, now_ns: int) -> ClockSync | None:
        """A Frame when this is the first answer or a better one."""
        error_ns = (now_ns - asked_ns) // 2
        if error_ns < 0 or (self.error_ns is not None and error_ns > self.error_ns * _BETTER):
            return None
        middle_ns = asked_ns + error_ns
        self.offset_ns, self.error_ns = theirs_ns - middle_ns, error_ns
        return ClockSync(middle_ns, self._name, theirs_ns, error_ns)

    def ours(self, frame: Frame) -> Frame:
        """The Frame on our clock; as it is where the clocks agree as far as one can tell."""
        if self.error_ns is None or not self.error_ns < abs(self.offset_ns) < _MAX_SHIFT_NS:
            return frame
        if isinstance(frame, ClockSync):
            return frame
        moved = {name: getattr(frame, name) for name in _TIMES[type(frame)]}
        changes: Any = {name: max(0, time - self.offset_ns) for name, time in moved.items() if time is not None}
        return replace(frame, **changes)
