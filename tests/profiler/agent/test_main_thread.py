"""What the agent asks of a thread of the job: at a safe point, once, and not after the agent has given up on it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from acceltop.profiler.agent.main_thread import StepEnd


def run(place: StepEnd, call: Callable[[], bool]) -> bool:
    """What the agent's thread hears, while this one comes by again and again."""
    heard: list[bool] = []
    agent = threading.Thread(target=lambda: heard.append(place.run(call, 10.0)))
    agent.start()
    while agent.is_alive():
        place.visit()
        agent.join(0.001)
    return heard[0]


def test_what_nobody_came_by_for_is_taken_back() -> None:
    place, waiting = StepEnd(), [True]
    assert not place.run(lambda: waiting.pop(), 0.01)
    place.visit()
    assert waiting


def test_after_not_now_it_is_asked_again() -> None:
    answers = [True, False, False]
    assert run(StepEnd(), lambda: answers.pop())
    assert not answers


@pytest.mark.parametrize("error", [RuntimeError, OSError])
def test_what_goes_wrong_never_reaches_the_job(error: type[Exception]) -> None:
    def fail() -> bool:
        raise error("of the agent")

    assert run(StepEnd(), fail)  # it would not go better a second time
