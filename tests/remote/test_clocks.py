"""Their clock: measured, its error known, and put right only where that is sure."""

from __future__ import annotations

from acceltop.profiler.model import ClockSync, Note, Sample, Steps
from acceltop.profiler.remote.clocks import RemoteClock

HOUR = 3600 * 10**9
NOW = 1_800_000_000 * 10**9


def test_the_fastest_answer_counts() -> None:
    clock = RemoteClock("host:a")
    slow = clock.answered(NOW, NOW + HOUR + 90, NOW + 100)
    assert slow == ClockSync(NOW + 50, "host:a", NOW + HOUR + 90, 50)
    fast = clock.answered(NOW + 200, NOW + HOUR + 205, NOW + 210)
    assert fast is not None and fast.error_ns == 5
    assert clock.answered(NOW + 300, NOW + HOUR + 399, NOW + 400) is None
    assert clock.offset_ns == HOUR


def test_frames_come_to_our_clock() -> None:
    clock = RemoteClock("host:a")
    clock.answered(NOW, NOW + HOUR + 5, NOW + 10)
    assert clock.ours(Sample(NOW + HOUR, "host", {})).time_ns == NOW
    steps = clock.ours(Steps(NOW + HOUR, 1, 0, (7, 8)))
    assert isinstance(steps, Steps) and (steps.start_ns, steps.duration_ns) == (NOW, (7, 8))
    note = clock.ours(Note(NOW + HOUR, "info", "x", "y"))
    assert isinstance(note, Note) and note.since_ns is None


def test_clocks_that_agree_are_left_alone() -> None:
    clock = RemoteClock("host:a")
    clock.answered(NOW, NOW + 100, NOW + 1000)
    assert clock.ours(Sample(NOW, "host", {})).time_ns == NOW


def test_an_absurd_clock_moves_nothing() -> None:
    clock = RemoteClock("host:a")
    clock.answered(NOW, 2**62 + NOW, NOW + 2)
    assert clock.ours(Sample(7, "host", {})).time_ns == 7


def test_an_answer_before_its_question_is_none() -> None:
    assert RemoteClock("host:a").answered(NOW, NOW, NOW - 10) is None
