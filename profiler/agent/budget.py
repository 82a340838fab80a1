"""How long and how often a window may be: its price is learned and kept in the budget, its true cost is measured."""

from __future__ import annotations

import random
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional

NS = 1_000_000_000
FIRST_WINDOW_S = 0.004
SHORTEST_S, LONGEST_S = 0.001, 0.1
MOST_EVENTS = 4_000  # in one window, whatever the budget says: the job stands still for 4 µs for each
LONGEST_BEHIND_S, MOST_EVENTS_BEHIND = 1.0, 30_000  # where the device is behind: it works on while the job stands still
PERIOD_S = 1.9  # a window has a fixed price too: fewer and larger ones show more for the same money
SPREAD = (0.75, 1.0)  # of a period, at random: a fixed one would beat with the step
FIRST_PERIODS_S = (0.3, 0.7)  # the first windows follow each other sooner: a picture at once, still within the sum
LESSONS = 5  # windows that the price is learned from
AIM = 0.6  # of the budget: prices are estimates, and pauses are cut short at random
LEAST = 0.25  # of the budget is for windows, whatever else is done
AWAY_EVERY_S, AWAY_S = 20.0, 1.5  # now and then windows pause, to measure what they cost
LEAST_WINDOWS, LEAST_PAUSES = 8, 5  # until then the cost is an estimate
USUAL = 60  # steps before a window that tell what one takes without it


class Price:
    """Stall of the job by one window = fixed + by_event × events, in seconds; learned from windows that were taken.

    The median of the last ones: a single window in which the machine was busy with something else must not decide
    for the next minute that windows are dear.
    """

    def __init__(self) -> None:
        self._fixed: Deque[float] = deque([0.0015], maxlen=LESSONS)
        self._by_event: Deque[float] = deque([1e-5], maxlen=LESSONS)
        self.events_per_s = 0.0

    @property
    def fixed_s(self) -> float:
        return median(self._fixed)

    @property
    def by_event_s(self) -> float:
        return median(self._by_event)

    def learn(self, events: int, length_s: float, stall_s: float) -> None:
        rate = events / max(length_s, 1e-6)
        self.events_per_s = rate if not self.events_per_s else 0.5 * self.events_per_s + 0.5 * rate
        if events > 200:
            self._by_event.append(max(1e-7, stall_s - self.fixed_s) / events)
        else:
            self._fixed.append(max(1e-4, stall_s))

    def of(self, events: float) -> float:
        return self.fixed_s + self.by_event_s * events


class Plan:
    """The length of the next window and the pause until it."""

    def __init__(self, budget: float, draw: Callable[[float, float], float] = random.uniform) -> None:
        self.budget = budget
        self._draw = draw
        self.price = Price()
        self._taken = 0
        self._caught: Deque[int] = deque([0], maxlen=LESSONS)  # events
        self._guess_s = FIRST_WINDOW_S
        self._behind: Deque[float] = deque([0.0], maxlen=LESSONS)
        self._late: Deque[float] = deque([0.0], maxlen=LESSONS)
        self._asked_s = 0.0
        self.always = 0.0  # share of the job's time that goes into other things than windows
        self.correction = 1.0  # grows while the measured cost is above the budget

    def learn(self, events: int, length_s: float, stall_s: float, behind_s: float = 0.0) -> None:
        """One window was taken, in which the device ran as far behind as `behind_s`."""
        self._taken += 1
        self._caught.append(events)
        self._behind.append(behind_s)
        self._late.append(length_s - self._asked_s)
        self._guess_s = min(LONGEST_S, 4 * length_s)  # for as long as none has caught an event
        self.price.learn(events, length_s, stall_s)

    def window_s(self) -> float:
        """Longer by as much as the device is behind: so much of a window shows no kernel at all."""
        shown, rate = self._shown_s(), self.price.events_per_s
        longest = min(LONGEST_BEHIND_S, MOST_EVENTS_BEHIND / rate) if rate else LONGEST_BEHIND_S
        return max(shown, min(longest, shown + max(self._behind)))

    def ask_s(self) -> float:
        """After this time a window is told to close. It does so late: when this thread, and then its own, come by."""
        self._asked_s = max(SHORTEST_S, self.window_s() - median(self._late))
        return self._asked_s

    def _shown_s(self) -> float:
        """The part of a window of which kernels are seen."""
        rate = self.price.events_per_s
        if not rate:
            return self._guess_s
        affordable = (self._spend() * PERIOD_S - self.price.fixed_s) / self.price.by_event_s
        events = min(MOST_EVENTS, max(0.0, affordable))
        return min(LONGEST_S, max(SHORTEST_S, events / rate))

    def period_s(self) -> float:
        """Long enough to pay for a window, however long those are."""
        if 0 < self._taken <= len(FIRST_PERIODS_S):
            return FIRST_PERIODS_S[self._taken - 1]
        return self._usual_period_s() * self._draw(*SPREAD)

    def _usual_period_s(self) -> float:
        return max(PERIOD_S, self._usual_price_s() / max(self._spend(), 1e-6))

    def _usual_price_s(self) -> float:
        """Of one as the last ones were: it closes late, and none does in backward. That they pay together keeps what is
        shown from being old after each that met one."""
        caught = sum(self._caught) / len(self._caught)
        return self.price.of(max(self.price.events_per_s * self.window_s(), caught))

    def expected(self) -> float:
        """Share of the job's time that all this costs, as far as known beforehand."""
        return self.always + self._usual_price_s() / self._usual_period_s()

    def correct(self, measured: Optional[float]) -> None:
        """The measured cost is above the budget: spend less; well below: slowly more again."""
        if measured is None:
            return
        if measured > self.budget:
            self.correction = min(8.0, self.correction * 1.2)
        elif measured < 0.7 * self.budget:
            self.correction = max(1.0, self.correction / 1.05)

    def _spend(self) -> float:
        return max(self.budget * LEAST, self.budget * AIM - self.always) / self.correction


class Meter:
    """What the job's own steps say: those with a window in them, those between windows, those while windows pause.

    A pause is compared with as many steps before and after it: a job's pace drifts by more than windows may cost.
    """

    def __init__(self) -> None:
        self.inside: Deque[float] = deque(maxlen=400)
        self.between: Deque[float] = deque(maxlen=2000)
        self.away: Deque[float] = deque(maxlen=2000)
        self.extra: Deque[float] = deque(maxlen=60)  # seconds that one window added, by window
        self.lasting: Deque[float] = deque(maxlen=30)  # how much slower it is around a pause than in it, by pause
        self._group: List[float] = []
        self._pause: List[float] = []
        self._after = 0  # steps since the pause

    def step(self, seconds: float, profiled: bool, paused: bool) -> None:
        if profiled:
            self._group.append(seconds)
            self.inside.append(seconds)
            return
        if self._group:
            self._close_group()
        if paused:
            self.away.append(seconds)
            self._pause.append(seconds)
            return
        self.between.append(seconds)
        if self._pause:
            self._compare()

    def _close_group(self) -> None:
        if len(self.between) >= 5:
            usual = median(_last(self.between, USUAL))
            self.extra.append(sum(self._group) - usual * len(self._group))
        self._group = []

    def _compare(self) -> None:
        self._after += 1
        if self._after >= len(self._pause):
            around = _last(self.between, 2 * self._after)
            self.lasting.append(median(around) / max(median(self._pause), 1e-9) - 1)
            self._pause, self._after = [], 0

    def ratio(self, period_s: float, budget: float) -> Optional[float]:
        """Measured slow-down; None while it can't be told from noise: too little was seen, or what was seen allows for
        anything from nothing to well above the budget, as on a machine that is busy with other things."""
        if len(self.extra) < LEAST_WINDOWS or len(self.lasting) < LEAST_PAUSES:
            return None
        added = [max(0.0, extra) / period_s for extra in _range(self.extra)]
        lasting = _range(self.lasting)
        if lasting[0] <= 0:  # none that is sure
            lasting = [0.0, 0.0, max(0.0, lasting[2])]
        least, told, most = (added[at] + lasting[at] for at in range(3))
        return None if least <= budget and most - least > 2 * budget else told


def _last(values: Deque[float], count: int) -> List[float]:
    return list(values)[-count:]


def median(values: Any) -> float:
    ordered = sorted(values)
    n = len(ordered)
    return float(ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2) if n else 0.0


def _range(values: Any) -> List[float]:
    """The median, between the least and the most that the true one may be, however the values are spread."""
    ordered = sorted(values)
    place = max(0, int(len(ordered) / 2 - len(ordered) ** 0.5))  # two standard errors of a median's place
    return [ordered[place], median(ordered), ordered[-1 - place]]


def cost_frame(pid: int, now_ns: int, plan: Plan, meter: Meter, stall_s: float) -> Dict[str, Any]:
    """A `Cost` frame: measured where the job's steps allow, otherwise an estimate."""
    measured = meter.ratio(plan.period_s(), plan.budget)
    frame: Dict[str, Any] = {
        "kind": "Cost",
        "time_ns": now_ns,
        "pid": pid,
        "ratio": plan.expected() if measured is None else plan.always + measured,
        "measured": measured is not None,
        "budget": plan.budget,
        "window_ns": int(plan.window_s() * NS),
        "stall_ns": int(stall_s * NS),
    }
    for name, values in (("inside_s", meter.inside), ("between_s", meter.between), ("away_s", meter.away)):
        if values:
            frame[name] = median(values)
    return frame
