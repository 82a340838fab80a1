"""A chart that moves on shows what a new look at all of it would show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.views.screens import Live
from tests.views.session_frames import T0

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import Sample
from acceltop.profiler.timeline import Key, Timeline
from acceltop.views.facts import rolling as module
from acceltop.views.facts.devices import grid
from acceltop.views.facts.rolling import Rolling, looked_up
from acceltop.views.moment import Playhead
from acceltop.views.scene import Scene

POINTS, SPAN_NS = 28, 60 * NS_PER_S
KEYS = [Key("hw.gpu.sm.active", f"gpu{index}") for index in range(3)]


@dataclass
class Pictures:
    """A live screen that asks for the same chart again and again."""

    scene: Scene
    rolling: Rolling

    def take(self) -> tuple[Sequence[float], ...]:
        """The chart as it moves on; checked against one that is looked up."""
        t0, t1 = grid(self.scene.head.at_ns, POINTS, SPAN_NS)
        shown = self.rolling.over(self.scene, KEYS, t0, t1, POINTS)
        for column, wanted in zip(shown, looked_up(self.scene, KEYS, t0, t1, POINTS), strict=True):
            assert column == pytest.approx(wanted, nan_ok=True)
        return shown


def pictures() -> Pictures:
    timeline = Timeline()
    return Pictures(Scene(timeline, Live(), Playhead(timeline)), Rolling())


def reading(pictures: Pictures, time_ns: int, value: float) -> None:
    for place, key in enumerate(KEYS):
        pictures.scene.timeline.add(Sample(time_ns + place, "nvml", {key.metric: value + place}, key.device))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1.0] * 50 + [0.1, 0.5, 1.02, 1.9] * 4 + [4.0, 70.0, -3.0]),  # -3: late, or a clock was set
            st.floats(0, 1),
        ),
        max_size=150,
    )
)
@settings(deadline=None, max_examples=60)
def test_it_is_the_same_as_one_that_is_looked_up(readings: list[tuple[float, float]]) -> None:
    seen, at = pictures(), T0
    for distance_s, value in readings:
        at += int(distance_s * NS_PER_S)
        reading(seen, at, value)
        seen.take()


def test_as_time_goes_on_only_what_is_new_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def counted(*args: object) -> module.Chart:
        looks.append(1)
        return looked_up(*args)  # type: ignore[arg-type]

    seen = pictures()
    for second in range(90):
        reading(seen, T0 + second * NS_PER_S, second / 100)
        seen.take()
    monkeypatch.setattr(module, "looked_up", counted)
    for second in range(90, 150):
        reading(seen, T0 + second * NS_PER_S, second / 100)
        t0, t1 = grid(seen.scene.head.at_ns, POINTS, SPAN_NS)
        if t1 != seen.rolling._range[1]:
            seen.rolling.over(seen.scene, KEYS, t0, t1, POINTS)
    assert not looks


def test_nothing_is_known_of_nothing() -> None:
    assert all(math.isnan(value) for column in pictures().take() for value in column)
