"""Jobs on threads that can be left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import monotonic

import pytest
from tests.waiting import wait_for

from acceltop.collectors.nvml_crew import Crew

NAME = "crew-under-test"


@pytest.fixture
def crew() -> Iterator[Crew[int]]:
    crew: Crew[int] = Crew(NAME)
    yield crew
    crew.close()
    wait_for(lambda: not threads(), what="the crew's threads to end")


def threads() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


def test_quick_jobs_are_done_in_order_on_one_thread(crew: Crew[int]) -> None:
    for _ in range(3):
        jobs = crew.ask([threading.get_ident for _ in range(8)])
        crew.settle(jobs, 20)
        assert len({job.result() for job in jobs}) == 1
    wait_for(lambda: threads() == 1)


def test_nobody_waits_behind_a_job_that_hangs(crew: Crew[int]) -> None:
    go = threading.Event()
    hung, quick, hung_too = crew.ask([lambda: int(go.wait(30)), lambda: 7, lambda: int(go.wait(30))])
    began = monotonic()
    crew.settle([hung, quick, hung_too], 0.5)
    assert 0.5 <= monotonic() - began < 5
    assert quick.result() == 7
    assert not hung.done and not hung_too.done

    later = crew.ask([lambda: 8])
    crew.settle(later, 20)
    assert later[0].result() == 8
    go.set()
    wait_for(lambda: hung.done)
    assert hung.result() == 1
    wait_for(lambda: threads() == 1, what="those that are no longer needed to go")


def test_what_a_job_raises_reaches_the_caller_and_the_thread_goes_on(crew: Crew[int]) -> None:
    broken, good = crew.ask([lambda: 1 // 0, lambda: 1])
    crew.settle([broken, good], 20)
    with pytest.raises(ZeroDivisionError):
        broken.result()
    assert good.result() == 1
