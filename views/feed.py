"""From the thread that delivers Frames to the one that draws: bounded, and one call for any number of frames."""

from __future__ import annotations

from collections.abc import Callable

from acceltop.profiler.model import Frame
from acceltop.profiler.queues import DropQueue

CAPACITY = 16_384


class Feed:
    """A sink of a session. It never waits for the screen; what the screen is too slow for is dropped and counted."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._queue: DropQueue[Frame] = DropQueue(capacity)
        self._wake: Callable[[], object] | None = None
        self._woken = False

    def __call__(self, frame: Frame) -> None:
        """Any thread."""
        self._queue.put(frame)
        wake = self._wake
        if wake is not None and not self._woken:
            self._woken = True
            wake()

    def listen(self, wake: Callable[[], object] | None) -> None:
        """`wake` is called from the delivering thread, once until `take`."""
        self._wake = wake
        self._woken = False

    def take(self) -> list[Frame]:
        """All that came since the last time."""
        self._woken = False
        return self._queue.get(0.0)

    def waiting(self) -> list[Frame]:
        """What `take` would give; it stays."""
        return self._queue.peek()

    @property
    def full(self) -> bool:
        """One more would push another out."""
        return len(self._queue) >= self._capacity

    @property
    def dropped(self) -> int:
        return self._queue.dropped
