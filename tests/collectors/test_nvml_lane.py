"""Work on a thread that can be given up."""

from __future__ import annotations

import threading

import pytest

from acceltop.collectors.nvml_lane import Lane


def test_late_work_is_taken_later_and_never_runs_twice_at_once() -> None:
    go, runs = threading.Event(), []

    def work() -> str:
        runs.append(1)
        assert go.wait(20)
        return "done"

    lane = Lane("test", work)
    assert lane.take(0) is None  # nothing was asked for
    assert lane.ask()
    assert lane.take(0.05) is None
    assert lane.busy and not lane.ask()
    go.set()
    assert lane.take(20) == "done"
    assert not lane.busy and len(runs) == 1
    assert lane.take(0) is None  # once
    lane.close()


def test_what_the_work_raises_reaches_the_caller_and_the_lane_goes_on() -> None:
    answers = iter([OSError("broken"), None])

    def work() -> int:
        error = next(answers)
        if error:
            raise error
        return 1

    lane = Lane("test", work)
    lane.ask()
    with pytest.raises(OSError, match="broken"):
        lane.take(20)
    lane.ask()
    assert lane.take(20) == 1
    lane.close()
