"""The link of a recording: its thread reads the file, the screens show what it found."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, cast

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.history.store import History
from acceltop.profiler.timeline import Timeline
from acceltop.views.feed import Feed
from acceltop.views.garbage import staying
from acceltop.views.link import Recorded
from acceltop.views.moment import BLOCK_NS, RANGE_S

if TYPE_CHECKING:
    from acceltop.profiler.trace.reader import TraceReader
    from acceltop.profiler.trace.replay import Replay

TABLES_NS = RANGE_S * NS_PER_S + BLOCK_NS  # what tables sum up is there first, then the charts' detail
Ready = Callable[[Timeline], None]
Failed = Callable[[AcceltopError], None]
Deliver = Callable[[Callable[[], None]], None]


class _Courier:
    """Stands for the timeline on the reader's thread: a timeline may be touched by its own thread alone."""

    def __init__(self, timeline: Timeline, deliver: Deliver) -> None:
        self._timeline, self._deliver = timeline, deliver

    def new_detail(self) -> History:
        return self._timeline.new_detail()

    def show_detail(self, detail: History, span: tuple[int, int] | None = None) -> None:
        self._deliver(lambda: self._timeline.show_detail(detail, span))


class ReplayLink(Recorded):
    """Reads on one thread. A range that is asked for replaces one that still waits: only the latest counts."""

    def __init__(self, reader: TraceReader, feed: Feed, follow: bool = False) -> None:
        self.recorded = not follow
        self.busy = "reading the recording"
        self._reader, self._feed, self._follow = reader, feed, follow
        self._wanted: tuple[int, int] | None = None
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._screens: Future[tuple[Ready, Failed, Deliver]] = Future()

    @property
    def dropped(self) -> int:
        return self._feed.dropped

    def start(self) -> None:
        """Begins to read, while the screens are still being made."""
        threading.Thread(target=self._run, name="acceltop-replay", daemon=True).start()

    def meet(self, ready: Ready, failed: Failed, deliver: Deliver) -> None:
        """`ready` gets the timeline once the overview is read; both it and `failed` are called through `deliver`."""
        self._screens.set_result((ready, failed, deliver))

    def look(self, t0_ns: int, t1_ns: int, stacks: bool) -> None:
        with self._changed:
            self._wanted = t0_ns, t1_ns
            self._changed.notify()

    def close(self) -> None:
        self._stop.set()
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        from acceltop.profiler.trace.replay import Replay

        try:
            with staying():
                replay = Replay(self._reader, self._told, self._follow)
            self._serve(replay, *self._screens.result())
        except AcceltopError as error:
            _, failed, deliver = self._screens.result()
            deliver(partial(failed, error))

    def _serve(self, replay: Replay, ready: Ready, _: Failed, deliver: Deliver) -> None:
        timeline, self.busy = replay.timeline, ""
        deliver(lambda: ready(timeline))
        if self._follow:
            for frame in self._reader.follow(self._stop, replay.t1_ns + 1):
                self._feed(frame)
        replay.timeline = cast(Timeline, _Courier(timeline, deliver))
        while (wanted := self._next()) is not None:
            t0_ns, t1_ns = wanted
            replay.show(max(t0_ns, t1_ns - TABLES_NS), t1_ns, around=0)
            replay.show(t0_ns, t1_ns, partial(self._left, t0_ns, t1_ns))

    def _left(self, t0_ns: int, t1_ns: int) -> bool:
        """Whether meanwhile a time is looked at that is far from this range."""
        wanted = self._wanted
        return wanted is not None and not t0_ns <= wanted[1] <= t1_ns + (t1_ns - t0_ns) // 4

    def _told(self, progress: float) -> None:
        self.busy = f"reading the recording, {progress:.0%}"

    def _next(self) -> tuple[int, int] | None:
        """The range that is wanted now; None when the screen is gone."""
        with self._changed:
            while self._wanted is None and not self._stop.is_set():
                self._changed.wait()
            wanted, self._wanted = self._wanted, None
            return None if self._stop.is_set() else wanted
