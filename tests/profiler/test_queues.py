"""The queue never blocks who puts, drops the oldest, and counts what it dropped."""

from __future__ import annotations

import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acceltop.profiler.queues import DropQueue


@given(st.integers(1, 5), st.lists(st.one_of(st.integers(), st.none())))
def test_behaves_like_a_bounded_deque(capacity: int, actions: list[int | None]) -> None:
    queue: DropQueue[int] = DropQueue(capacity)
    model: deque[int] = deque()
    dropped = 0
    for action in actions:
        if action is None:
            assert queue.get(timeout_s=0) == list(model)
            model.clear()
            continue
        queue.put(action)
        model.append(action)
        if len(model) > capacity:
            model.popleft()
            dropped += 1
    assert (len(queue), queue.dropped) == (len(model), dropped)


def test_empty_after_the_timeout() -> None:
    assert DropQueue[int](1).get(timeout_s=0.01) == []


def test_close_wakes_who_waits() -> None:
    queue: DropQueue[int] = DropQueue(1)
    got: list[list[int]] = []
    waiting = threading.Thread(target=lambda: got.append(queue.get()))
    waiting.start()
    queue.close()
    waiting.join(10)
    assert got == [[]] and queue.closed


def test_what_is_queued_can_be_taken_after_close() -> None:
    queue: DropQueue[int] = DropQueue(2)
    queue.put(1)
    queue.close()
    queue.put(2)
    assert queue.get() == [1]


def test_nothing_is_lost_or_doubled_between_threads() -> None:
    queue: DropQueue[tuple[int, int]] = DropQueue(50)
    taken: list[tuple[int, int]] = []

    def take() -> None:
        while (items := queue.get(5)) or not queue.closed:
            taken.extend(items)

    def put(producer: int) -> None:
        for number in range(2000):
            queue.put((producer, number))

    consumer = threading.Thread(target=take)
    producers = [threading.Thread(target=put, args=(n,)) for n in range(3)]
    for thread in (consumer, *producers):
        thread.start()
    for thread in producers:
        thread.join()
    queue.close()
    consumer.join()
    assert len(taken) + queue.dropped == 6000
    for producer in range(3):
        numbers = [number for owner, number in taken if owner == producer]
        assert numbers == sorted(set(numbers))


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        DropQueue(0)
