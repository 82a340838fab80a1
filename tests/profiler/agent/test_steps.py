"""Marks in, steps out: the arithmetic of steps and phases, without a process."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from acceltop.profiler.agent.steps import (
    BACKWARD,
    COMMUNICATION,
    DATA,
    OPTIMIZER,
    ForwardShare,
    Mark,
    Step,
    Tracker,
    steps_frame,
)

MAIN, OTHER = 1, 2
MS = 1_000_000


def span(phase: str, begin: int, end: int, owner: int = 0, thread: int = MAIN) -> list[Mark]:
    return [(begin * MS, thread, phase, True, owner), (end * MS, thread, phase, False, owner)]


def one_step(begin: int) -> list[Mark]:
    """10 ms: 2 data, 3 forward, 3 backward, 1 other (clipping), 1 optimizer."""
    return [
        *span(DATA, begin, begin + 2),
        *span(BACKWARD, begin + 5, begin + 8),
        *span(OPTIMIZER, begin + 9, begin + 10, owner=7),
    ]


def steps(marks: list[Mark]) -> list[Step]:
    return Tracker().feed(marks)


def test_phases_of_a_plain_step() -> None:
    _, step = steps([*one_step(10), *one_step(20), *one_step(30)])
    assert (step.start, step.end) == (30 * MS, 40 * MS)
    assert step.phases == {DATA: 2 * MS, BACKWARD: 3 * MS, "other": MS, OPTIMIZER: MS}
    assert step.rest == [(32 * MS, 35 * MS)]


def test_work_before_a_backward_is_known_as_soon_as_that_begins() -> None:
    tracker = Tracker()
    tracker.feed([*one_step(10), *one_step(20)[:3]])  # the second step is in its backward
    assert list(tracker.history)[-2:] == [(20 * MS, 22 * MS, "data"), (22 * MS, 25 * MS, "forward")]


def test_marks_may_come_in_any_pieces() -> None:
    marks = [mark for begin in range(10, 200, 10) for mark in one_step(begin)]
    tracker = Tracker()
    pieces = [step for mark in marks for step in tracker.feed([mark])]
    assert [(s.start, s.end, s.phases) for s in pieces] == [(s.start, s.end, s.phases) for s in steps(marks)]


def test_a_backward_within_the_optimizers_closure_is_backward() -> None:
    inside = [(12 * MS, MAIN, OPTIMIZER, True, 7), *span(BACKWARD, 13, 17), (20 * MS, MAIN, OPTIMIZER, False, 7)]
    (step,) = steps([*one_step(0), *inside])
    assert step.phases[BACKWARD] == 4 * MS and step.phases[OPTIMIZER] == 4 * MS


def test_two_optimizers_are_one_step() -> None:
    marks = []
    for begin in range(0, 200, 20):
        marks += [*span(OPTIMIZER, begin, begin + 1, owner=1), *span(OPTIMIZER, begin + 10, begin + 11, owner=2)]
    assert [step.end - step.start for step in steps(marks)] == [20 * MS] * 9


def test_when_the_first_optimizer_falls_silent_the_other_counts() -> None:
    marks = span(OPTIMIZER, 0, 1, owner=1)
    for begin in range(10, 2000, 10):
        marks += span(OPTIMIZER, begin, begin + 1, owner=2)
    assert steps(marks)[-1].end - steps(marks)[-1].start == 10 * MS


def test_training_that_moves_to_another_thread_is_followed() -> None:
    marks = one_step(0)
    for begin in range(10, 2000, 10):
        marks += span(OPTIMIZER, begin, begin + 1, owner=7, thread=OTHER)
    assert len(steps(marks)) > 50


def test_marks_of_other_threads_change_nothing() -> None:
    loader = [mark for begin in range(0, 40, 4) for mark in span(DATA, begin, begin + 3, thread=OTHER)]
    mixed = sorted([*one_step(0), *one_step(10), *loader], key=lambda mark: mark[0])
    assert [s.phases for s in steps(mixed)] == [s.phases for s in steps([*one_step(0), *one_step(10)])]


@given(st.lists(st.tuples(st.sampled_from([DATA, BACKWARD, COMMUNICATION, OPTIMIZER]), st.integers(1, 9)), min_size=1))
def test_phases_and_rest_add_up_to_the_step(phases: list[tuple[str, int]]) -> None:
    marks, at = span(OPTIMIZER, 0, 1, owner=7), 1
    for phase, length in phases:
        at += 2
        marks += span(phase, at, at + length, owner=7)
        at += length
    for step in steps([*marks, *span(OPTIMIZER, at + 1, at + 2, owner=7)]):
        rest = sum(end - begin for begin, end in step.rest)
        assert sum(step.phases.values()) + rest == step.end - step.start


def test_the_frame_splits_what_lies_before_a_backward() -> None:
    frame = steps_frame(42, 5, steps([*one_step(10), *one_step(20)]), [False], forward=0.5)
    assert frame["first_index"] == 5 and frame["duration_ns"] == [10 * MS]
    assert frame["phases"]["forward"] == [3 * MS // 2] and frame["phases"]["other"] == [MS + 3 * MS // 2]
    assert sum(column[0] for column in frame["phases"].values()) == 10 * MS


def test_the_share_of_forward_work_is_what_windows_saw() -> None:
    share = ForwardShare()
    assert share.share == 1.0
    for _ in range(120):
        share.add(10 * MS, 4 * MS)
    assert share.share == 0.4
