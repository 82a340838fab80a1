"""Step times of a run of any length, in bounded memory."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, count
from operator import itemgetter

from acceltop.profiler.model import PHASES, Steps

EXACT_UP_TO = 20_000
"""So many durations are kept as they are; beyond that all of them go into logarithmic bins 1 % wide."""
LATE = 1.03
"""A rank whose own part of a step is this many times the middle one's is late by more than noise."""
_BIN = math.log(1.01)
_SLOWEST = 5


@dataclass(frozen=True, slots=True)
class Phase:
    """Seconds a step, and its share of the time of those steps whose phases are known."""

    name: str
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class SlowStep:
    duration_ns: int
    index: int
    start_ns: int


def own_time(step: float, waiting: float) -> float:
    """Of a step without its share of communication, in which the ranks of a job wait for the slowest of them."""
    return step * max(0.0, 1.0 - waiting)


class Distribution:
    """Quantiles of durations in ns: exact up to `EXACT_UP_TO` of them, then within 0.5 %."""

    def __init__(self, exact_up_to: int = EXACT_UP_TO) -> None:
        self._limit = exact_up_to
        self._values: list[int] = []
        self._bins: Counter[int] = Counter()
        self._sorted = True
        self.count = 0
        self.total_ns = 0
        self.max_ns = 0

    def extend(self, durations_ns: Sequence[int]) -> None:
        if not durations_ns:
            return
        self.count += len(durations_ns)
        self.total_ns += sum(durations_ns)
        self.max_ns = max(self.max_ns, max(durations_ns))
        if not self._bins and self.count <= self._limit:
            self._values.extend(durations_ns)
            self._sorted = False
            return
        self._bins.update(math.floor(math.log(max(value, 1)) / _BIN) for value in chain(self._values, durations_ns))
        self._values = []

    @property
    def exact(self) -> bool:
        return not self._bins

    def quantile(self, q: float) -> float | None:
        """ns, or None while nothing is known. Between two values it lies between them, as in numpy's default."""
        if not self.count:
            return None
        return self._binned(q) if self._bins else self._interpolated(q)

    def _interpolated(self, q: float) -> float:
        if not self._sorted:
            self._values.sort()
            self._sorted = True
        at = q * (len(self._values) - 1)
        low = math.floor(at)
        high = min(low + 1, len(self._values) - 1)
        return self._values[low] + (self._values[high] - self._values[low]) * (at - low)

    def _binned(self, q: float) -> float:
        wanted, seen = q * (self.count - 1), 0
        for place in sorted(self._bins):
            seen += self._bins[place]
            if seen > wanted:
                return min(math.exp((place + 0.5) * _BIN), float(self.max_ns))
        return float(self.max_ns)


class StepStatistics:
    """Sums Steps frames of one or more processes (ranks: their steps count each)."""

    def __init__(self, exact_up_to: int = EXACT_UP_TO) -> None:
        self.durations = Distribution(exact_up_to)
        self.last_index: int | None = None
        self._phases: dict[str, int] = {}
        self._phased_ns = 0  # time of the steps whose phases are known
        self._phased = 0
        self._slowest: list[tuple[int, int, int]] = []  # (duration, index, start)

    def add(self, steps: Steps) -> None:
        self.durations.extend(steps.duration_ns)
        if steps.duration_ns:
            self.last_index = max(self.last_index or 0, steps.first_index + len(steps.duration_ns) - 1)
        self._add_phases(steps)
        self._add_slowest(steps)

    @property
    def count(self) -> int:
        return self.durations.count

    @property
    def median_ns(self) -> float | None:
        return self.durations.quantile(0.5)

    @property
    def p99_ns(self) -> float | None:
        return self.durations.quantile(0.99)

    @property
    def mean_ns(self) -> float | None:
        return self.durations.total_ns / self.count if self.count else None

    @property
    def rate_per_s(self) -> float | None:
        """Steps a second of one process, while it stepped."""
        return self.count * 1e9 / self.durations.total_ns if self.durations.total_ns else None

    @property
    def phases(self) -> list[Phase]:
        """In the order of PHASES. Empty where no step told its phases."""
        if not self._phased_ns:
            return []
        names = [name for name in PHASES if name in self._phases]
        return [Phase(n, self._phases[n] / 1e9 / self._phased, self._phases[n] / self._phased_ns) for n in names]

    @property
    def slowest(self) -> list[SlowStep]:
        """The slowest few, slowest first."""
        return [SlowStep(*step) for step in self._slowest]

    def _add_phases(self, steps: Steps) -> None:
        if not steps.phases:
            return
        self._phased += len(steps.duration_ns)
        self._phased_ns += sum(steps.duration_ns)
        for told, column in steps.phases.items():
            name = told if told in PHASES else "other"
            self._phases[name] = self._phases.get(name, 0) + sum(column[: len(steps.duration_ns)])

    def _add_slowest(self, steps: Steps) -> None:
        if len(self._slowest) == _SLOWEST and max(steps.duration_ns, default=0) <= self._slowest[-1][0]:
            return
        starts = accumulate(steps.duration_ns, initial=steps.start_ns)
        new = zip(steps.duration_ns, count(steps.first_index), starts, strict=False)
        self._slowest = heapq.nlargest(_SLOWEST, chain(self._slowest, new), key=itemgetter(0))
