from __future__ import annotations

from dataclasses import dataclass

import pytest

from acceltop.profiler.clock import NS_PER_S
from acceltop.views.moment import SPANS_S, Playhead


@dataclass
class Extent:
    span: tuple[int, int] | None = (0, 100 * NS_PER_S)


def test_live_follows_the_end() -> None:
    extent = Extent()
    head = Playhead(extent)
    assert (head.state, head.at_ns) == ("live", 100 * NS_PER_S)
    extent.span = (0, 130 * NS_PER_S)
    assert head.at_ns == 130 * NS_PER_S
    assert head.range_ns() == (60 * NS_PER_S, 130 * NS_PER_S)


def test_paused_stands_still_while_time_goes_on() -> None:
    extent = Extent()
    head = Playhead(extent)
    head.toggle()
    extent.span = (0, 130 * NS_PER_S)
    assert (head.state, head.at_ns) == ("paused", 100 * NS_PER_S)
    head.toggle()
    assert (head.state, head.at_ns) == ("live", 130 * NS_PER_S)


def test_replay_plays_at_its_speed_until_the_end() -> None:
    head = Playhead(Extent(), recorded=True)
    head.toggle()
    assert (head.at_ns, head.playing) == (0, True)
    head.speed = 10.0
    assert head.advance(2.0)
    assert head.at_ns == 20 * NS_PER_S
    assert head.advance(20.0)
    assert (head.at_end, head.playing) == (True, False)
    assert not head.advance(1.0)


@pytest.mark.parametrize(("to_s", "shown_s"), [(-5, 0), (40, 40), (100, 100), (500, 100)])
def test_seek_stays_within_what_is_known(to_s: int, shown_s: int) -> None:
    head = Playhead(Extent(), recorded=True)
    head.seek(to_s * NS_PER_S)
    assert head.at_ns == shown_s * NS_PER_S
    assert head.at_end == (to_s >= 100)


def test_nothing_known_is_no_moment() -> None:
    head = Playhead(Extent(None))
    head.seek(5)
    head.move(-1, 100)
    assert head.at_ns == 0


def test_selection_is_the_range_and_both_ways_are_the_same() -> None:
    head = Playhead(Extent())
    head.seek(60 * NS_PER_S)
    head.mark()
    head.seek(20 * NS_PER_S)
    head.mark()
    assert head.range_ns() == (20 * NS_PER_S, 60 * NS_PER_S)
    head.seek(90 * NS_PER_S)
    assert head.range_ns() == (20 * NS_PER_S, 60 * NS_PER_S)
    assert head.clear()
    assert not head.clear()


def test_zoom_and_speed_stop_at_their_ends() -> None:
    head = Playhead(Extent())
    for _ in range(20):
        head.zoom_by(1)
        head.faster(1)
    assert (head.history_ns, head.speed) == (SPANS_S[0] * NS_PER_S, 100.0)
    for _ in range(20):
        head.zoom_by(-1)
        head.faster(-1)
    assert (head.history_ns, head.speed) == (SPANS_S[-1] * NS_PER_S, 0.1)


@pytest.mark.parametrize(("length_s", "recorded", "shown_s"), [(25, True, 30), (31, True, 60), (300, True, 240),
                                                                (25, False, 240)])  # fmt: skip
def test_a_short_recording_fills_the_charts(length_s: int, recorded: bool, shown_s: int) -> None:
    head = Playhead(Extent((0, length_s * NS_PER_S)), recorded)
    head.zoom_by(1)
    head.zoom_usual()
    assert head.history_ns == shown_s * NS_PER_S
