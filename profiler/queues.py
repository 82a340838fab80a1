"""A bounded queue that never blocks its producer: the oldest goes first, and is counted."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from acceltop.profiler.clock import monotonic

T = TypeVar("T")


class DropQueue(Generic[T]):
    """Holds at most `capacity` items; `dropped` counts what was pushed out since the start."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self._items: deque[T] = deque(maxlen=capacity)
        self._ready = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Never waits. After `close` the item is ignored."""
        with self._ready:
            if self._closed:
                return
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._ready.notify()

    def get(self, timeout_s: float | None = None) -> list[T]:
        """All that is there, in order; waits up to `timeout_s` for a first item. Empty: timed out or closed."""
        end = None if timeout_s is None else monotonic() + timeout_s
        with self._ready:
            while not self._items and not self._closed:
                left = None if end is None else end - monotonic()
                if left is not None and left <= 0:
                    break
                self._ready.wait(left)
            items = list(self._items)
            self._items.clear()
            return items

    def peek(self) -> list[T]:
        """All that is there, in order; it stays."""
        with self._ready:
            return list(self._items)

    def close(self) -> None:
        """Wakes whoever waits; what is still queued can be taken."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def __len__(self) -> int:
        return len(self._items)
