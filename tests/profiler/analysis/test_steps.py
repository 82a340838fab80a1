from __future__ import annotations

import random
import statistics

import numpy as np
import pytest

from acceltop.profiler.analysis.steps import Distribution, StepStatistics
from acceltop.profiler.model import Steps

MS = 1_000_000


def test_count_median_p99_max_and_rate() -> None:
    steps = StepStatistics()
    steps.add(Steps(0, 1, 0, tuple(n * MS for n in range(1, 101))))
    assert steps.count == 100
    assert steps.median_ns == pytest.approx(50.5 * MS)
    assert steps.p99_ns == pytest.approx(np.percentile(np.arange(1, 101), 99) * MS)
    assert steps.durations.max_ns == 100 * MS
    assert steps.rate_per_s == pytest.approx(1000 / 50.5)
    assert steps.last_index == 99


def test_phases_as_seconds_and_share_of_a_step() -> None:
    steps = StepStatistics()
    steps.add(Steps(0, 1, 0, (10 * MS, 30 * MS), phases={"forward": (8 * MS, 12 * MS), "data": (0, 10 * MS)}))
    steps.add(Steps(40 * MS, 1, 2, (1000 * MS,)))  # its phases are unknown: they don't count as zero
    found = [(phase.name, phase.seconds, phase.share) for phase in steps.phases]
    expected: list[object] = [
        ("data", pytest.approx(0.005), pytest.approx(0.25)),
        ("forward", pytest.approx(0.010), pytest.approx(0.5)),
    ]
    assert found == expected


def test_a_phase_nobody_knows_counts_as_other() -> None:
    steps = StepStatistics()
    steps.add(Steps(0, 1, 0, (10,), phases={f"made up {n}": (1,) for n in range(5)}))
    assert [(phase.name, phase.share) for phase in steps.phases] == [("other", 0.5)]


def test_the_slowest_steps_know_where_they_are() -> None:
    steps = StepStatistics()
    steps.add(Steps(1000, 1, 500, (5, 90, 5)))
    steps.add(Steps(1100, 1, 503, (7, 6, 95, 4)))
    slowest = steps.slowest
    assert [(step.duration_ns, step.index, step.start_ns) for step in slowest[:2]] == [(95, 505, 1113), (90, 501, 1005)]
    assert len(slowest) == 5


def test_beyond_the_limit_quantiles_stay_within_half_a_percent() -> None:
    random.seed(1)
    durations = [int(random.lognormvariate(17, 0.5)) for _ in range(30_000)]
    binned, exact = Distribution(exact_up_to=1000), Distribution(exact_up_to=50_000)
    for start in range(0, 30_000, 500):
        binned.extend(durations[start : start + 500])
        exact.extend(durations[start : start + 500])
    assert exact.exact and not binned.exact
    for q in (0.5, 0.9, 0.99, 1.0):
        assert binned.quantile(q) == pytest.approx(exact.quantile(q), rel=0.006)
    assert exact.quantile(0.5) == pytest.approx(statistics.median(durations))
    assert len(binned._bins) < 1000


def test_no_steps_are_unknown_not_zero() -> None:
    steps = StepStatistics()
    assert (steps.count, steps.median_ns, steps.rate_per_s, steps.phases, steps.slowest) == (0, None, None, [], [])
    steps.add(Steps(0, 1, 0, ()))
    assert steps.median_ns is None and steps.last_index is None


def test_a_step_of_no_length_is_no_error() -> None:
    distribution = Distribution(exact_up_to=1)
    distribution.extend([0, 0, 0])
    assert distribution.quantile(0.5) == 0
