"""Frames through a pipe: what can't be read of them is told while more still comes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from tests.views.session_frames import T0
from tests.waiting import wait_for

from acceltop.profiler import codec
from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import Frame, Hello, Note, Sample
from acceltop.views.feed import Feed
from acceltop.views.piped import PipeLink


class Screens:
    """All that a link does with an app."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def deliver(self, action: Callable[[], None]) -> None:
        action()

    def over(self) -> None:
        self.ended.set()


def test_a_bad_frame_is_told_at_its_time_while_the_pipe_is_open() -> None:
    out, into = os.pipe()
    feed, screens, seen = Feed(), Screens(), list[Frame]()
    with open(out, "rb") as pipe:
        PipeLink(pipe, feed).start(screens)  # type: ignore[arg-type]
        reading = Sample(T0 + NS_PER_S, "host", {"system.cpu.utilization": 0.5})
        for line in (codec.encode(Hello(T0, "laptop")), '{"kind":"Sample"}', codec.encode(reading)):
            os.write(into, f"{line}\n".encode())

        def told() -> bool:
            seen.extend(feed.take())
            return any(isinstance(frame, Note) for frame in seen)

        wait_for(told)
        assert not screens.ended.is_set()
        (note,) = (frame for frame in seen if isinstance(frame, Note))
        assert (note.code, note.time_ns) == ("trace.bad_frame", reading.time_ns)
        os.close(into)
        assert screens.ended.wait(10)
        assert not feed.take()
