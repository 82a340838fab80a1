"""Training steps and their phases, from marks that a framework's hooks leave (`Marks`).

A step ends where the primary optimizer's step ends. Phases are exclusive (a backward inside an optimizer's closure
counts as backward) and add up to the step. What lies between marks is forward work up to a backward, otherwise "other".
"""

from __future__ import annotations

import _thread
import time
from collections import deque
from typing import Any, Deque, Dict, List, Optional, Tuple

DATA, FORWARD, BACKWARD, OPTIMIZER = "data", "forward", "backward", "optimizer"
COMMUNICATION, OTHER = "communication", "other"
Mark = Tuple[int, int, str, bool, int]  # time_ns, thread, phase, begins?, id of the optimizer
Interval = Tuple[int, int]
Span = Tuple[int, int, str]  # begin, end, phase
PATIENCE = 64  # steps of another optimizer until it becomes the primary one


class Marks:
    """What the hooks write: appending is atomic, and the oldest go when nobody reads."""

    def __init__(self) -> None:
        self.queue: Deque[Mark] = deque(maxlen=100_000)

    def begin(self, phase: str, owner: int = 0) -> None:
        self.queue.append((time.time_ns(), _thread.get_ident(), phase, True, owner))

    def end(self, phase: str, owner: int = 0) -> None:
        self.queue.append((time.time_ns(), _thread.get_ident(), phase, False, owner))

    def take(self) -> List[Mark]:
        taken = []
        while self.queue:
            taken.append(self.queue.popleft())
        return taken


class Step:
    """One finished step, times in ns."""

    __slots__ = ("start", "end", "phases", "rest")

    def __init__(self, start: int, end: int, phases: Dict[str, int], rest: List[Interval]) -> None:
        self.start, self.end, self.phases = start, end, phases
        self.rest = rest  # intervals before a backward: forward, if the device or torch was busy in them


class Tracker:
    """Marks in, steps out. Follows the one thread in which the primary optimizer steps."""

    def __init__(self) -> None:
        self.count = 0
        self.history: Deque[Span] = deque(maxlen=512)  # in the order of time, for single windows
        self.thread: Optional[int] = None
        self._follow(None)

    def _follow(self, thread: Optional[int]) -> None:
        self.thread = thread
        self._primary = 0
        self._others = 0
        self._start = 0
        self._at = 0  # up to here the step is accounted for
        self._open: List[List[Any]] = []  # [phase, begin, time inside of nested ones]
        self._phases: Dict[str, int] = {}
        self._rest: List[Interval] = []

    def feed(self, marks: List[Mark]) -> List[Step]:
        done = []
        for mark in marks:
            at, thread, phase, begins, owner = mark
            if self.thread is None and phase == OPTIMIZER:
                self.thread, self._primary = thread, owner
            if thread != self.thread:
                self._maybe_follow(thread, phase, begins)
                continue
            if begins:
                self._begin(phase, at)
            else:
                self._end(phase, at)
                if phase == OPTIMIZER and self._is_boundary(owner):
                    step = self._close(at)
                    if step:
                        done.append(step)
        return done

    def _maybe_follow(self, thread: int, phase: str, begins: bool) -> None:
        """The training moved to another thread, and the old one is silent: go with it."""
        if phase == OPTIMIZER and not begins:
            self._others += 1
            if self._others > PATIENCE:
                self._follow(thread)

    def _is_boundary(self, owner: int) -> bool:
        """With several optimizers (a GAN) the first one's step is the boundary, as long as it goes on stepping."""
        if owner == self._primary:
            self._others = 0
            return True
        self._others += 1
        if self._others > PATIENCE:
            self._primary, self._others = owner, 0
        return self._others == 0

    def _begin(self, phase: str, at: int) -> None:
        if not self._open:
            self._gap(at, before_backward=phase == BACKWARD)
        self._open.append([phase, at, 0])

    def _end(self, phase: str, at: int) -> None:
        while self._open and self._open[-1][0] != phase:
            self._open.pop()  # its end was lost
        if not self._open:
            return
        _, begin, inside = self._open.pop()
        whole = max(0, at - max(begin, self._start))
        self._add(phase, whole - inside)
        if self._open:
            self._open[-1][2] += whole
        else:
            self._at = at
            self.history.append((begin, at, phase))

    def _gap(self, until: int, before_backward: bool) -> None:
        if self._start and until > self._at:
            if before_backward:
                self._rest.append((self._at, until))
                self.history.append((self._at, until, FORWARD))
            else:
                self._add(OTHER, until - self._at)
        self._at = max(self._at, until)

    def _add(self, phase: str, ns: int) -> None:
        self._phases[phase] = self._phases.get(phase, 0) + max(0, ns)

    def _close(self, at: int) -> Optional[Step]:
        for frame in self._open:  # a step inside of something longer: account for it up to here
            frame[2] = 0
        step = Step(self._start, at, self._phases, self._rest) if self._start else None
        self._start = self._at = at
        self._phases, self._rest = {}, []
        self.count += step is not None
        return step


def overlap(interval: Interval, others: List[Interval]) -> int:
    """ns that `interval` shares with the (disjoint) others."""
    begin, end = interval
    return sum(max(0, min(end, b) - max(begin, a)) for a, b in others)


class ForwardShare:
    """How much of the time before a backward is forward work: seen in windows, applied to all steps (an estimate)."""

    def __init__(self) -> None:
        # (busy, all) ns by window. The first entry is what is believed before anything was seen.
        self._seen: Deque[Tuple[int, int]] = deque([(20_000_000, 20_000_000)], maxlen=120)

    def add(self, rest_ns: int, busy_ns: int) -> None:
        if rest_ns > 0:
            self._seen.append((min(busy_ns, rest_ns), rest_ns))

    @property
    def share(self) -> float:
        whole = sum(all_ for _, all_ in self._seen)
        return sum(busy for busy, _ in self._seen) / whole


def steps_frame(pid: int, first: int, steps: List[Step], profiled: List[bool], forward: float) -> Dict[str, Any]:
    """A `Steps` frame of consecutive steps; times are cut to whole microseconds, which halves a trace."""
    phases = [_phases(step, forward) for step in steps]
    names = sorted({name for each in phases for name in each})
    columns = {name: [each.get(name, 0) // 1000 * 1000 for each in phases] for name in names}
    ends = [step.end // 1000 * 1000 for step in steps]
    starts = [steps[0].start // 1000 * 1000] + ends[:-1]
    return {
        "kind": "Steps",
        "start_ns": starts[0],
        "pid": pid,
        "first_index": first,
        "duration_ns": [end - start for start, end in zip(starts, ends)],  # noqa: B905 (Python 3.7 syntax)
        "phases": columns,
        "profiled": profiled,
    }


def _phases(step: Step, forward: float) -> Dict[str, int]:
    """ns of each, with that share of what lies before a backward as forward work."""
    if not step.rest:
        return step.phases
    rest = sum([b - a for a, b in step.rest])
    work, phases = int(rest * forward), dict(step.phases)
    phases[FORWARD] = phases.get(FORWARD, 0) + work
    phases[OTHER] = phases.get(OTHER, 0) + rest - work
    return phases
