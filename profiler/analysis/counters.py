"""The mean, the ends and the last value of polled counters, in a few numbers each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_MOST = 256  # metrics of one device: far more than the registry has


@dataclass(slots=True)
class Statistic:
    """In the metric's own unit."""

    last: float
    low: float
    high: float
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.last = value
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value
        self.total += value
        self.count += 1

    @property
    def mean(self) -> float:
        return self.total / self.count


class Counters:
    """One device, process or host: its metrics and what of it is a word."""

    def __init__(self) -> None:
        self.statistics: dict[str, Statistic] = {}
        self.states: dict[str, str] = {}
        self.last_ns = 0

    def add(self, time_ns: int, values: Mapping[str, float], states: Mapping[str, str]) -> None:
        self.last_ns = max(self.last_ns, time_ns)
        for name, value in values.items():
            statistic = self.statistics.get(name)
            if statistic is None:
                if len(self.statistics) >= _MOST:
                    continue
                statistic = self.statistics[name] = Statistic(value, value, value)
            statistic.add(value)
        self.states.update(list(states.items())[: max(0, _MOST - len(self.states))])
