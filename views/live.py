"""The link of a live session: sources come and go with the processes that are watched; recording on request."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import localtime, strftime
from typing import TYPE_CHECKING

from acceltop.profiler.clock import NS_PER_S, now_ns
from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.model import Frame, Note, ProcessGone
from acceltop.profiler.session import Session, Sink, installed
from acceltop.profiler.source import SourceContext, Stop
from acceltop.views.feed import Feed
from acceltop.views.link import Recording, Tell

if TYPE_CHECKING:
    from acceltop.profiler.trace.writer import TraceWriter

LEAVE_S = 0.1  # what q waits for the sources at most, hung driver or not; agents leave when nobody is there any more
CLOSE_TRACE_S = 5.0  # a trace is closed well, unless its disk hangs
INSIDE = ("agent", "stacks")  # sources that look at processes alone
MakeSession = Callable[[SourceContext, Sequence[Sink], Sequence[Callable[[], None]]], Session]


class ScreenRecorder:
    """A sink that writes while it is asked to. Files belong to the session's thread: the screen never waits for one."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._orders: deque[Callable[[], None]] = deque()  # of the screen
        self._tell: Tell = lambda *_: None
        self._writer: TraceWriter | None = None
        self.wanted = False
        self.recording: Recording | None = None
        """What is being written."""

    def start(self, path: Path, opening: Sequence[Frame], tell: Tell) -> None:
        """`opening` goes first: a trace must say what its readings are of. `tell` gets what becomes of it."""
        self.wanted, self._tell = True, tell
        self._orders.append(lambda: self._open(path, opening))

    def stop(self) -> None:
        self.wanted = False
        self._orders.append(self._end)

    def add(self, frame: Frame) -> None:
        """On the session's thread."""
        self._obey()
        writer = self._writer
        if writer is not None:
            self._guarded(lambda: writer.write(frame))

    def tick(self) -> None:
        """On the session's thread, about once a second."""
        self._obey()
        self._guarded(self._flush)

    def close(self) -> None:
        """After the session has ended."""
        self._guarded(self._end)

    def _obey(self) -> None:
        while self._orders:
            self._guarded(self._orders.popleft())

    def _open(self, path: Path, opening: Sequence[Frame]) -> None:
        from acceltop.profiler.trace.writer import TraceWriter

        self._writer = TraceWriter(path)
        for frame in opening:
            self._writer.write(frame)
        self._writer.flush()
        self.recording = Recording(str(path), now_ns(), self._writer.size)
        self._tell(f"recording to {path}", "information")

    def _flush(self) -> None:
        if self._writer is not None and self.recording is not None:
            self._writer.flush()
            self.recording = replace(self.recording, size_bytes=self._writer.size)

    def _end(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            self._tell(f"recorded to {writer.name}", "information")
        self.recording = None

    def _guarded(self, action: Callable[[], object]) -> None:
        """A trace that can't be written ends the recording with its reason, not the session."""
        try:
            action()
        except AcceltopError as error:
            self.wanted, self._writer, self.recording = False, None, None
            self._feed(Note(now_ns(), "error", "recording.failed", error.cause, error.next_step, "recording"))
            self._tell(str(error), "error")


class LiveLink:
    """Runs the installed sources into the feed; other processes mean other sources."""

    recorded = False
    can_steer = True
    busy = ""

    def __init__(
        self, context: SourceContext, feed: Feed, only: Sequence[str] = (), make: MakeSession | None = None
    ) -> None:
        """`make` makes the sessions where they are not of this machine."""
        self._stacks_seen = threading.Event()
        self._context, self._feed, self._only = replace(context, stacks_seen=self._stacks_seen), feed, only
        self._make = make or self._here
        self.interval_s = context.interval_s
        self._recorder = ScreenRecorder(feed)
        self._opening: dict[object, Frame] = {}
        self._dropped_before = 0
        self._one_at_a_time = threading.Lock()
        self._session = self._made(self._context)

    def start(self) -> None:
        self._session.start()

    @property
    def seen(self) -> threading.Event:
        """To be set once a first picture is there: then the sources go on that wait for it."""
        return self._session.seen

    @property
    def recording(self) -> Recording | None:
        return self._recorder.recording

    @property
    def dropped(self) -> int:
        return self._dropped_before + self._session.dropped + self._feed.dropped

    def look(self, t0_ns: int, t1_ns: int, stacks: bool) -> None:
        """All that is known is in the timeline already."""
        if stacks:
            self._stacks_seen.set()
        else:
            self._stacks_seen.clear()

    def record(self, tell: Tell) -> None:
        if self._recorder.wanted:
            self._recorder.stop()
            return
        name = strftime("acceltop-%Y%m%d-%H%M%S.mcap", localtime(now_ns() / NS_PER_S))
        self._recorder.start(Path(name), list(self._opening.values()), tell)

    def attach(self, pids: Sequence[int]) -> None:
        for pid in set(self._context.pids) - set(pids):
            self._deliver(Note(now_ns(), "info", "agent.detached", "detached", source="agent", pid=pid))
        old, self._context = self._session, replace(self._context, pids=tuple(pids), stop=Stop())
        self._dropped_before += old.dropped
        # The old one may hang in a driver: nobody waits for it.
        threading.Thread(target=_ended, args=(old,), name="acceltop-detach", daemon=True).start()
        self._session = self._made(self._context)
        self._session.start()

    def close(self) -> None:
        _within(LEAVE_S, lambda: _ended(self._session))
        if self._recorder.recording is not None:  # whatever a hung source would still have said is not waited for
            _within(CLOSE_TRACE_S, self._close_trace)

    def _close_trace(self) -> None:
        with self._one_at_a_time:
            self._recorder.close()

    def _made(self, context: SourceContext) -> Session:
        return self._make(context, [self._deliver], [self._tick])

    def _deliver(self, frame: Frame) -> None:
        """A session that is being left may still deliver while the next one begins."""
        with self._one_at_a_time:
            self._remember(frame)
            self._feed(frame)
            self._recorder.add(frame)

    def _tick(self) -> None:
        with self._one_at_a_time:
            self._recorder.tick()

    def _here(self, context: SourceContext, sinks: Sequence[Sink], ticks: Sequence[Callable[[], None]]) -> Session:
        without = () if context.pids else INSIDE
        if not context.pids:  # whom one could attach to
            context = replace(context, options={**context.options, "host.look": "yes"})
        return Session(installed(self._only, without), context, sinks, ticks, first="" if self._opening else "nvml")

    def _remember(self, frame: Frame) -> None:
        """What a recording that begins later must open with."""
        kind = type(frame).__name__
        if kind in ("Hello", "DeviceFound", "ProcessFound"):
            key = getattr(frame, "device", None) or getattr(frame, "pid", None) or kind
            self._opening = {**self._opening, key: frame}
        elif isinstance(frame, ProcessGone):
            self._opening = {key: known for key, known in self._opening.items() if key != frame.pid}


def _within(seconds: float, action: Callable[[], None]) -> None:
    """Waits for it no longer than that."""
    thread = threading.Thread(target=action, name="acceltop-close", daemon=True)
    thread.start()
    thread.join(seconds)


def _ended(session: Session) -> None:
    with suppress(AcceltopError):  # of a sink: told on the screen as a Note when it happened
        session.stop()
