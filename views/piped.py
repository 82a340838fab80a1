"""The link of Frames that come through a pipe: live while they come, a recording of what came afterwards."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from io import BufferedReader
from typing import TYPE_CHECKING

from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.model import Note
from acceltop.views.feed import Feed
from acceltop.views.link import Recorded

if TYPE_CHECKING:
    from acceltop.views.app import AcceltopApp

WAIT_S = 0.05


class PipeLink(Recorded):
    """Reads on one thread, no faster than the screens take it: whoever writes then has to wait, or to shed."""

    def __init__(self, pipe: BufferedReader, feed: Feed) -> None:
        self.recorded = False
        self._pipe, self._feed = pipe, feed
        self._stop = threading.Event()

    @property
    def dropped(self) -> int:
        return self._feed.dropped

    def start(self, app: AcceltopApp) -> None:
        threading.Thread(target=self._run, args=(app,), name="acceltop-pipe", daemon=True).start()

    def close(self) -> None:
        self._stop.set()

    def _run(self, app: AcceltopApp) -> None:
        try:
            self._read()
        except AcceltopError as error:
            app.deliver(partial(app.fail, error))
            return
        self.recorded = True
        app.deliver(app.over)

    def _read(self) -> None:
        from acceltop.profiler.trace.reader import TraceReader

        reader = TraceReader("-", self._pipe)
        told = now_ns = 0
        for frame in reader.frames():
            while self._feed.full and not self._stop.wait(WAIT_S):
                pass
            self._feed(frame)
            now_ns = frame.time_ns
            told = self._tell(reader.problems, told, now_ns)
        self._tell(reader.problems, told, now_ns)

    def _tell(self, problems: Sequence[Note], told: int, now_ns: int) -> int:
        """What could not be read since; says how many there are by now."""
        for problem in problems[told:]:
            self._feed(replace(problem, time_ns=problem.time_ns or now_ns))
        return len(problems)
