from __future__ import annotations

import threading

from acceltop.profiler.model import Frame, Hello
from acceltop.views.feed import Feed


def test_many_frames_wake_the_screen_once() -> None:
    feed, calls = Feed(), []
    feed.listen(lambda: calls.append(threading.current_thread().name))
    frames: list[Frame] = [Hello(at, "here") for at in range(100)]

    def deliver() -> None:
        for frame in frames:
            feed(frame)

    thread = threading.Thread(target=deliver, name="session")
    thread.start()
    thread.join()
    assert calls == ["session"]
    assert feed.take() == frames
    assert feed.take() == []
    feed(frames[0])
    assert len(calls) == 2


def test_a_screen_that_is_too_slow_loses_the_oldest_and_says_how_many() -> None:
    feed = Feed(capacity=10)
    for at in range(25):
        feed(Hello(at, "here"))
    assert feed.dropped == 15
    assert [frame.time_ns for frame in feed.take()] == list(range(15, 25))


def test_nobody_listens_any_more() -> None:
    feed, calls = Feed(), []
    feed.listen(lambda: calls.append(1))
    feed.listen(None)
    feed(Hello(1, "here"))
    assert calls == []
