"""Training steps of one process: the latest one by one, older ones as min, mean and max."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate, chain, repeat

from acceltop.profiler.history.levels import (
    COARSE_CAPACITY,
    COARSE_NS,
    FINE_CAPACITY,
    FINE_NS,
    RAW_CAPACITY,
    SECOND_NS,
    Columns,
    Level,
)
from acceltop.profiler.model import PHASES, Steps

STEP_CAPACITY = 1 << 17  # 27 minutes at 80 steps a second
ABSENT = -1  # a phase that nobody measured


class StepHistory:
    """Columns by step, and levels of the duration (key "") and of each phase, in ns."""

    def __init__(
        self, capacity: int = STEP_CAPACITY, seconds: int = RAW_CAPACITY, fine_capacity: int = FINE_CAPACITY
    ) -> None:
        self.rows = Columns("qqqb" + "q" * len(PHASES), capacity)  # index, start, duration, profiled, phases
        self.levels: dict[str, Level] = {}
        self._seconds, self._fine = seconds, fine_capacity
        self.rank: int | None = None

    def add(self, steps: Steps) -> None:
        self.rank = steps.rank if steps.rank is not None else self.rank
        starts = list(accumulate(steps.duration_ns, initial=steps.start_ns))[:-1]
        if self.rows.capacity:
            self._add_rows(steps, starts)
        self._add_levels("", starts, steps.duration_ns)
        for phase in PHASES:
            self._add_levels(phase, starts, steps.phases.get(phase, ()))

    def ended(self, at_ns: int) -> int:
        """How many of the rows were over by then."""
        starts, durations = self.rows.arrays[1:3]
        count = bisect_right(starts, at_ns)
        while count and starts[count - 1] + durations[count - 1] > at_ns:
            count -= 1
        return count

    def _add_rows(self, steps: Steps, starts: list[int]) -> None:
        count = len(starts)
        phases = [_padded(steps.phases.get(name, ()), count, ABSENT) for name in PHASES]
        columns = (range(steps.first_index, steps.first_index + count), starts, steps.duration_ns)
        # Made first: a number beyond 64 bits must not leave columns of different lengths.
        new = [array("q", column) for column in (*columns, *phases)]
        new.insert(3, array("b", _padded(steps.profiled, count, 0)))
        self.rows.extend(new)

    def _add_levels(self, name: str, starts: list[int], values: tuple[int, ...]) -> None:
        if not values:
            return
        self.level(name).add_all(starts, values)

    def level(self, name: str) -> Level:
        """The finest level of the duration ("") or of a phase."""
        level = self.levels.get(name)
        if level is None:
            level = Level(FINE_NS, self._fine, Level(COARSE_NS, COARSE_CAPACITY))
            if self._seconds:
                level = Level(SECOND_NS, self._seconds, level)
            self.levels[name] = level
        return level


def _padded(values: tuple[int, ...], count: int, filler: int) -> list[int]:
    """A hostile frame may hold columns of another length than its durations."""
    return list(chain(values[:count], repeat(filler, count - len(values))))
