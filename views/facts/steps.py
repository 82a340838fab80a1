"""Training steps of the process shown: how long, how steady, made of what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from acceltop.profiler.analysis.steps import LATE, own_time
from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.history.bands import Ints
from acceltop.profiler.model import PHASES
from acceltop.profiler.timeline import StepColumns
from acceltop.views.moment import Playhead
from acceltop.views.scene import Scene

OVERDUE_NS = 5 * NS_PER_S  # steps come in bundles, and a machine can be busy
SHORT = {
    "data": "data",
    "forward": "fwd",
    "backward": "bwd",
    "optimizer": "opt",
    "communication": "comm",
    "other": "other",
}


@dataclass(frozen=True)
class StepFacts:
    """Times in ns, over the range shown."""

    count: int
    last_index: int
    end_ns: int  # when the last one was over
    median: float
    p99: float
    slowest: float
    rate_per_s: float
    durations: Ints
    _columns: Mapping[str, Ints]

    @cached_property
    def phases(self) -> dict[str, float]:
        """Means a step; empty where nobody measured them."""
        known = {name: column[column >= 0] for name, column in self._columns.items()}
        return {name: float(column.mean()) for name, column in known.items() if len(column)}

    @property
    def own(self) -> float:
        """The median, without what the job's ranks wait for each other."""
        return own_time(self.median, self.phases.get("communication", 0.0) * self.rate_per_s / NS_PER_S)


def step_facts(scene: Scene, pid: int | None = None) -> StepFacts | None:
    """None while no step is known."""
    pid = scene.focus_pid if pid is None else pid
    if pid is None:
        return None
    return scene.memo(f"steps {pid}", scene.seen("Steps"), lambda: _facts(scene, pid))


def overdue_since(scene: Scene) -> int | None:
    """When the last step was over, if a live job should have done the next one long ago."""
    facts, process = step_facts(scene), scene.process
    if facts is None or process is None or process.gone is not None or scene.head.state != "live":
        return None
    patience = max(OVERDUE_NS, 3 * facts.slowest, 3 * scene.link.interval_s * NS_PER_S)
    return facts.end_ns if scene.now_ns - facts.end_ns > patience else None


def _facts(scene: Scene, pid: int) -> StepFacts | None:
    steps = scene.timeline.steps(pid, *scene.head.range_ns())
    if not len(steps.index):
        return None
    durations = steps.duration_ns
    total = float(durations.sum())
    median, p99, slowest = quantiles(durations, 0.5, 0.99, 1.0)
    return StepFacts(
        count=len(durations),
        last_index=int(steps.index[-1]),
        end_ns=int(steps.start_ns[-1] + durations[-1]),
        median=median,
        p99=p99,
        slowest=slowest,
        rate_per_s=len(durations) * NS_PER_S / total if total else 0.0,
        durations=durations,
        _columns=steps.phases,
    )


def quantiles(values: Ints, *shares: float) -> Iterator[float]:
    """Linear between two of them. That of numpy loads numpy.ma first: a tenth of the way to the first kernels."""
    ranked, last = np.sort(values), len(values) - 1
    for share in shares:
        low = math.floor(share * last)
        part, pair = share * last - low, ranked[low : low + 2].tolist()
        yield pair[0] + part * (pair[-1] - pair[0])


@dataclass(frozen=True)
class StepChart:
    """`columns` hold ns by part; each stands for the slowest of `group` steps."""

    parts: tuple[str, ...]
    columns: list[tuple[float, ...]]
    group: int
    high: float


def step_chart(scene: Scene, width: int, pid: int | None = None) -> StepChart | None:
    """The steps of the time that charts cover, in at most `width` columns; None while there are none."""
    pid = scene.focus_pid if pid is None else pid
    if pid is None or width < 1:
        return None
    key = (scene.seen("Steps"), width, scene.head.zoom, scene.head.at_ns)
    return scene.memo(f"step chart {pid}", key, lambda: _chart(scene, pid, width))


def _chart(scene: Scene, pid: int, width: int) -> StepChart | None:
    span, timeline = scene.head.window_ns(), scene.timeline
    steps = scene.memo(f"charted steps {pid}", (span, scene.seen("Steps")), lambda: timeline.steps(pid, *span))
    count = len(steps.index)
    if not count:
        return None
    # The last steps one by one show a pattern best; who zooms out wants to see more of them.
    group = 1 if scene.head.zoom <= Playhead.zoom else _nice(math.ceil(count / width))
    slowest = np.arange(count)[-width:] if group == 1 else _slowest(steps, group, width)
    durations, phases = steps.duration_ns[slowest], {name: steps.phases[name][slowest] for name in PHASES}
    parts = tuple(name for name, column in phases.items() if (column >= 0).any())
    heights = [np.maximum(phases[name], 0).tolist() for name in parts] or [durations.tolist()]
    # One step in a hundred may reach out at the top, so that it doesn't press all others flat.
    (high,) = quantiles(durations, 0.98)
    return StepChart(parts or ("other",), list(zip(*heights, strict=True)), group, nice_ceiling(high * 1.05))


def _slowest(steps: StepColumns, group: int, width: int) -> Ints:
    """Which one it is of each of the last `width` groups. They begin at multiples of their size, so that a column stays
    what it is when steps come."""
    first = np.flatnonzero(np.diff(steps.index // group, prepend=-1))[-width:]
    edges, durations = [*first.tolist(), len(steps.index)], steps.duration_ns
    return np.array([start + durations[start:end].argmax() for start, end in pairwise(edges)])


def _nice(group: int) -> int:
    """1, 2, 5, 10, 20 …: it changes seldom while steps come in."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if size * factor >= group:
                return size * factor
        size *= 10


def nice_ceiling(value: float) -> float:
    """The end of a scale: 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten, at or above `value`."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if factor * power >= value * 0.9999)


def rank_times(scene: Scene) -> list[tuple[int, float]]:
    """(rank, its own part of the median step in ns) of the job's processes; empty unless at least two ranks step."""
    found = [(p.found.rank or 0, facts) for p in scene.ranks() if (facts := step_facts(scene, p.found.pid))]
    return [(rank, facts.own) for rank, facts in found] if len(found) > 1 else []


class SlowestRank(NamedTuple):
    """Its own part of a step in ns, how much that is over the middle rank's, and whether it is more than noise."""

    rank: int
    own_ns: float
    over_ns: float
    is_late: bool


def slowest_rank(ranks: Sequence[tuple[int, float]]) -> SlowestRank:
    """Of `rank_times`; raises ValueError where there are none."""
    rank, own = max(ranks, key=lambda rank: rank[1])
    middle = sorted(own for _, own in ranks)[(len(ranks) - 1) // 2]
    return SlowestRank(rank, own, own - middle, own > LATE * middle)


def find_step(scene: Scene, direction: int) -> int | None:
    """Start of the next or the previous step from the moment shown; direction 0: of the slowest step known."""
    pid = scene.focus_pid
    if pid is None:
        return None
    steps = scene.timeline.steps(pid)
    if not len(steps.index):
        return None
    ends = steps.start_ns + steps.duration_ns
    if direction == 0:
        return int(ends[int(np.argmax(steps.duration_ns))])
    place = int(np.searchsorted(ends, scene.head.at_ns, "right" if direction > 0 else "left"))
    place = place if direction > 0 else place - 1
    return int(ends[place]) if 0 <= place < len(ends) else None
