"""Windows stay within the budget for jobs of any density, and the job's own steps tell what they cost."""

from __future__ import annotations

import random

import pytest

from acceltop.profiler.agent.budget import (
    LONGEST_S,
    MOST_EVENTS_BEHIND,
    PERIOD_S,
    SPREAD,
    Meter,
    Plan,
    Price,
    cost_frame,
)


def settled(
    events_per_s: float, fixed_s: float, by_event_s: float, budget: float, draw: float = SPREAD[0], always: float = 0.0
) -> tuple[float, float]:
    """(share of time that windows cost, seconds of the windows) once the price of this job is learned."""
    plan = Plan(budget, lambda _low, _high: draw)
    plan.always = always
    cost = length = 0.0
    for _ in range(60):
        length = plan.window_s()
        stall = fixed_s + by_event_s * events_per_s * length
        plan.learn(int(events_per_s * length), length, stall)
        cost = stall / (plan.period_s() + length)
    return cost, length


@pytest.mark.parametrize("draw", SPREAD, ids=["always the shortest pause", "always the longest"])
@pytest.mark.parametrize("budget", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("density", [2e3, 25e3, 290e3, 690e3, 5e6])
def test_the_price_stays_within_the_budget(density: float, budget: float, draw: float) -> None:
    cost, length = settled(density, 0.0015, 4e-6, budget, draw)
    assert cost <= budget
    assert 0.001 <= length <= LONGEST_S


def test_what_else_is_worked_is_paid_from_the_budget_too() -> None:
    (alone, _), (beside, _) = (settled(25e3, 0.0015, 4e-6, 0.01, always=always) for always in (0.0, 0.004))
    assert alone > 0.005 and beside + 0.004 <= 0.01
    greedy, length = settled(25e3, 0.0015, 4e-6, 0.01, always=0.02)
    assert 0 < greedy < 0.004 and length > 0  # kernels are seen all the same


def test_one_dear_window_among_cheap_ones_changes_nothing() -> None:
    """Something else ran on the machine meanwhile."""
    price = Price()
    for stall_s in (0.01, 0.01, 0.01, 0.5, 0.01):
        price.learn(1000, 0.01, stall_s)
    assert price.of(1000) == pytest.approx(0.01)
    for _ in range(5):
        price.learn(1000, 0.01, 0.05)  # but what stays is learned
    assert price.of(1000) == pytest.approx(0.05)


def test_what_is_shown_is_at_most_two_seconds_old_where_the_budget_allows() -> None:
    plan = Plan(0.01)
    for _ in range(10):
        plan.learn(250, 0.1, 0.003)
    assert PERIOD_S * SPREAD[0] <= plan.period_s() + plan.window_s() <= 2.0


def test_a_window_that_closes_late_is_told_to_close_earlier() -> None:
    plan, length_s = Plan(0.01), 0.0
    for _ in range(20):
        length_s = plan.ask_s() + 0.005
        plan.learn(int(290e3 * length_s), length_s, 0.0015 + 4e-6 * 290e3 * length_s)
    assert length_s == pytest.approx(plan.window_s(), rel=0.01)
    assert plan.period_s() <= PERIOD_S


def test_windows_that_backward_holds_open_are_paid_for_by_all() -> None:
    """Each third one sees ten times as much: what is shown is never old for that, and the budget is kept."""
    plan, paid, periods = Plan(0.01, lambda low, high: (low + high) / 2), 0.0, []
    for number in range(60):
        events = 2000 if number % 3 == 0 else 200
        plan.learn(events, events / 280e3, 0.0025 + 12e-6 * events)
        periods.append(plan.period_s())
        paid += 0.0025 + 12e-6 * events
    assert paid / sum(periods) <= 0.01
    assert max(periods[10:]) < 1.5 * min(periods[10:])


def test_a_job_of_few_events_gets_long_windows() -> None:
    assert settled(0.0, 0.0015, 4e-6, 0.01)[1] == LONGEST_S


def test_a_window_is_longer_by_what_the_device_is_behind_but_never_floods_the_job() -> None:
    def settled_behind(events_per_s: float) -> float:
        plan = Plan(0.01)
        for behind_s in (0.0, 0.0, 0.3, 0.0):
            plan.learn(int(events_per_s * 0.01), 0.01, 0.0015 + 4e-8 * events_per_s, behind_s)
        return plan.window_s()

    assert 0.3 < settled_behind(50e3) <= 0.3 + LONGEST_S
    assert settled_behind(690e3) * 690e3 <= MOST_EVENTS_BEHIND


def test_a_measured_cost_over_the_budget_makes_windows_smaller() -> None:
    plan = Plan(0.01)
    plan.learn(2500, 0.0036, 0.012)
    before = plan.window_s(), plan.expected()
    for _ in range(10):
        plan.correct(0.03)
    assert plan.window_s() < before[0] and plan.expected() < before[1]
    for _ in range(100):
        plan.correct(0.001)
    assert plan.window_s() == before[0]


def run(meter: Meter, extra_s: float, between_s: float, away_s: float, pace: float = 1.0) -> None:
    """Minutes of a job: five windows, then a pause of windows, again and again; each step at `pace` times the last."""
    now = 1.0
    for round in range(40):
        for number in range(5 * 21 + 15):
            now *= pace
            profiled, paused = number % 21 == 20, number >= 5 * 21
            seconds = away_s * (1 + round % 3 * 1e-4) if paused else between_s + extra_s * profiled
            meter.step(now * seconds, profiled=profiled, paused=paused)


def test_what_a_window_adds_is_measured() -> None:
    meter = Meter()
    run(meter, extra_s=0.01, between_s=0.1, away_s=0.1)
    assert meter.ratio(2.0, 0.01) == pytest.approx(0.005, rel=0.05)


def test_a_job_that_stays_slow_between_windows_is_noticed() -> None:
    meter = Meter()
    run(meter, extra_s=0.0, between_s=0.11, away_s=0.1)
    assert meter.ratio(2.0, 0.01) == pytest.approx(0.1, rel=0.02)


def test_a_machine_that_slows_down_is_no_cost_of_ours() -> None:
    meter = Meter()
    run(meter, extra_s=0.0, between_s=0.1, away_s=0.1, pace=1.0002)
    assert meter.ratio(2.0, 0.01) == pytest.approx(0.0, abs=0.001)
    jumpy, dice = Meter(), random.Random(4)
    for _ in range(40):
        pace = 0.1 * dice.uniform(0.5, 2.0)  # as beside other programs
        for paused in (False, True, False):
            for _ in range(15):
                jumpy.step(pace * dice.uniform(0.9, 1.3), profiled=False, paused=paused)
        jumpy.step(pace, profiled=True, paused=False)
    assert (jumpy.ratio(2.0, 0.01) or 0.0) < 0.02


@pytest.mark.parametrize(("extra_s", "seen"), [(0.004, False), (0.4, True)])
def test_what_a_busy_machine_hides_is_unknown_unless_it_is_large(extra_s: float, seen: bool) -> None:
    """A step takes anything from one to twenty times as long: nobody can tell what a window of 4 ms adds."""
    meter, dice = Meter(), random.Random(9)
    told = []
    for number in range(30_000):
        seconds = 0.02 * (1 + dice.expovariate(1.0) + (dice.random() < 0.3) * dice.expovariate(0.1))
        profiled, paused = number % 21 == 20, number % 250 >= 220
        meter.step(seconds + extra_s * profiled, profiled and not paused, paused)
        if number % 250 == 0:
            told.append(meter.ratio(2.0, 0.01))
    known = [ratio for ratio in told if ratio is not None]
    assert all(0.15 < ratio < 0.25 for ratio in known[-50:])
    assert len(known) > 100 if seen else not known


def test_few_steps_are_no_measurement() -> None:
    meter, plan = Meter(), Plan(0.01)
    meter.step(0.1, profiled=True, paused=False)
    assert meter.ratio(2.0, 0.01) is None
    frame = cost_frame(42, 1, plan, meter, 0.001)
    assert frame["measured"] is False and 0 < frame["ratio"] <= 0.01
