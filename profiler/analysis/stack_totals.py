"""Sampled stacks summed by line: where Python itself spends its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from acceltop.profiler.model import StackWindow

_MOST = 20_000  # distinct lines


@dataclass(frozen=True, slots=True)
class Line:
    """Shares of all samples of running threads: with this line innermost, and with it anywhere."""

    name: str  # "function (file:line)"
    self_share: float
    total_share: float


class StackTotals:
    """Sums StackWindows of any number of processes. Rare lines are let go when there are too many."""

    def __init__(self) -> None:
        self._self: Counter[str] = Counter()
        self._total: Counter[str] = Counter()
        self.samples = 0
        self.errors = 0
        self.windows = 0

    def add(self, window: StackWindow) -> None:
        self.windows += 1
        self.errors += window.errors
        self._add_stacks(window.stacks)
        _prune(self._self)
        _prune(self._total)

    def lines(self) -> list[Line]:
        """Most self time first; empty without samples."""
        by_self = sorted(self._self.items(), key=lambda item: (-item[1], item[0]))
        return [Line(name, count / self.samples, self._total[name] / self.samples) for name, count in by_self]

    def _add_stacks(self, stacks: Mapping[str, int]) -> None:
        for stack, count in stacks.items():
            frames = stack.split(";")[1:]  # the first is the thread
            if not frames:
                continue
            self.samples += count
            self._self[frames[-1]] += count
            for frame in set(frames):
                self._total[frame] += count


def _prune(counter: Counter[str]) -> None:
    if len(counter) > 2 * _MOST:
        kept = counter.most_common(_MOST)
        counter.clear()
        counter.update(dict(kept))
