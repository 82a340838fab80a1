"""A bounded queue before a link that may be too slow: detail goes first, the oldest of it, and is counted."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, replace
from enum import IntEnum

from acceltop.profiler.clock import monotonic
from acceltop.profiler.codec import encode
from acceltop.profiler.model import Frame, KernelWindow, MemoryStats, Sample, StackWindow, Steps
from acceltop.profiler.remote.wire import numbered

CAPACITY_BYTES = 4 << 20
MAX_WORDS = 64  # answers to questions for the time, of which the latest will do
BATCH_BYTES = 64 << 10  # little is out of our hands at once, so that there is something to choose from


class Rank(IntEnum):
    """In the order in which they go."""

    SLICES = 0
    HOTSPOTS = 1
    COUNTERS = 2
    FACTS = 3


NAMES = {
    Rank.SLICES: "raw slices",
    Rank.HOTSPOTS: "windows of kernels and stacks",
    Rank.COUNTERS: "readings",
    Rank.FACTS: "facts",
}


@dataclass
class _Entry:
    rank: Rank
    line: bytes
    lean: bytes | None = None  # the same without its slices


class ShedQueue:
    """Any thread may put; one takes. `shed` counts what went, by rank; numbers of lines show the receiver the same."""

    def __init__(self, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._capacity = capacity_bytes
        self._entries: deque[_Entry] = deque()
        self._urgent: deque[bytes] = deque(maxlen=MAX_WORDS)
        self._size = 0
        self._number = 0
        self._changed = threading.Condition()
        self._closed = False
        self.shed: Counter[Rank] = Counter()

    def put(self, frame: Frame) -> None:
        """Never waits for the link."""
        with self._changed:
            self._number += 1
            entry = _entry(frame, self._number)
            self._entries.append(entry)
            self._size += _size(entry)
            if self._size > self._capacity:
                self._make_room()
            self._changed.notify()

    def put_word(self, line: bytes) -> None:
        """A word to the other program: before all Frames."""
        with self._changed:
            self._urgent.append(line)
            self._changed.notify()

    def get(self, timeout_s: float) -> list[bytes]:
        """Lines of about BATCH_BYTES, in order; empty when none came in time."""
        end = monotonic() + timeout_s
        with self._changed:
            while not (self._entries or self._urgent or self._closed):
                left = end - monotonic()
                if left <= 0:
                    return []
                self._changed.wait(left)
            return self._take()

    def wait_empty(self, timeout_s: float) -> bool:
        """Whether the link has taken everything by then."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._entries and not self._urgent, timeout_s)

    def close(self) -> None:
        """Wakes who waits; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def drained(self) -> bool:
        """Closed, and all was taken."""
        return self._closed and not self._entries and not self._urgent

    def _take(self) -> list[bytes]:
        lines = list(self._urgent)
        self._urgent.clear()
        taken = 0
        while self._entries and taken < BATCH_BYTES:
            entry = self._entries.popleft()
            self._size -= _size(entry)
            taken += len(entry.line)
            lines.append(entry.line)
        self._changed.notify_all()
        return lines

    def _make_room(self) -> None:
        """Down to three quarters, so that a slow link does not make us go through the queue at every Frame."""
        goal = self._capacity * 3 // 4
        for rank in Rank:
            if self._size <= goal:
                return
            self._entries = deque(kept for entry in self._entries if (kept := self._without(entry, rank, goal)))

    def _without(self, entry: _Entry, rank: Rank, goal: int) -> _Entry | None:
        if entry.rank is not rank or self._size <= goal:
            return entry
        self.shed[rank] += 1
        self._size -= _size(entry)
        if entry.lean is None:
            return None
        kept = _Entry(Rank.HOTSPOTS, entry.lean)
        self._size += _size(kept)
        return kept


def _entry(frame: Frame, number: int) -> _Entry:
    line = numbered(encode(frame), number)
    if isinstance(frame, KernelWindow) and frame.slices is not None:
        return _Entry(Rank.SLICES, line, numbered(encode(replace(frame, slices=None)), number))
    return _Entry(_rank(frame), line)


def _rank(frame: Frame) -> Rank:
    if isinstance(frame, (KernelWindow, StackWindow)):
        return Rank.HOTSPOTS
    return Rank.COUNTERS if isinstance(frame, (Sample, Steps, MemoryStats)) else Rank.FACTS


def _size(entry: _Entry) -> int:
    return len(entry.line) + len(entry.lean or b"")
