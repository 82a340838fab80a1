"""Windows over time: the latest as they came, older ones merged into fewer and longer ones. No total gets lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from acceltop.profiler.clock import NS_PER_S


class Window(Protocol):
    @property
    def t0_ns(self) -> int: ...

    @property
    def t1_ns(self) -> int: ...


W = TypeVar("W", bound=Window)


class Merger(Protocol[W]):
    """Sums windows up; an empty one was given none."""

    empty: bool

    def add(self, window: W) -> None: ...

    def window(self) -> W: ...


TIERS = ((60 * NS_PER_S, 60), (900 * NS_PER_S, 96))  # minutes for an hour, quarters for a day; then one for the rest


class _Tier(Generic[W]):
    def __init__(self, width_ns: int, capacity: int, make: Callable[[], Merger[W]]) -> None:
        self.width_ns, self.capacity = width_ns, capacity
        self._make = make
        self.done: deque[W] = deque()
        self.open = make()
        self._bucket = 0

    def add(self, window: W) -> W | None:
        """Takes a window in, gives back the one that has no room any more."""
        bucket = window.t0_ns // self.width_ns
        if bucket != self._bucket and not self.open.empty:
            self.done.append(self.open.window())
            self.open = self._make()
        self._bucket = bucket
        self.open.add(window)
        return self.done.popleft() if len(self.done) > self.capacity else None

    def __iter__(self) -> Iterator[W]:
        yield from self.done
        if not self.open.empty:
            yield self.open.window()


class Tiered(Generic[W]):
    """The last `recent` windows and, older than those, merged ones."""

    def __init__(self, make: Callable[[], Merger[W]], recent: int, tiers: tuple[tuple[int, int], ...] = TIERS) -> None:
        self.recent: deque[W] = deque()
        self._sums: list[W] = []
        self._capacity = recent
        self._tiers = [_Tier(width_ns, capacity, make) for width_ns, capacity in tiers]
        self._rest = make()

    def add(self, window: W) -> None:
        self.recent.append(window)
        if len(self.recent) > self._capacity:
            self._age(self.recent.popleft())

    def are_sums(self) -> None:
        """What was added so far came as sums: they count before their end."""
        self._sums += self.recent
        self.recent.clear()

    def _age(self, window: W) -> None:
        for tier in self._tiers:
            surplus = tier.add(window)
            if surplus is None:
                return
            window = surplus
        self._rest.add(window)

    def __iter__(self) -> Iterator[W]:
        """All, the oldest first."""
        yield from self._merged()
        yield from self.recent

    def _merged(self) -> Iterator[W]:
        yield from self._sums
        if not self._rest.empty:
            yield self._rest.window()
        for tier in reversed(self._tiers):
            yield from tier

    def between(self, t0_ns: int, t1_ns: int) -> list[W]:
        """Those that ended in the range, for nobody knew them before; of sums all that overlap it."""
        recent = [window for window in self.recent if t0_ns <= window.t1_ns <= t1_ns]
        # Older windows are put together when they are looked at: not where the latest cover the range.
        if self.recent and self.recent[0].t0_ns <= t0_ns:
            return recent
        return [window for window in self._merged() if window.t0_ns <= t1_ns and window.t1_ns >= t0_ns] + recent
