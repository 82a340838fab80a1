"""Another machine as a source: its Frames on our clock, and the link that comes back by itself."""

from __future__ import annotations

import select
import threading
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.codec import CodecError, from_dict
from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.model import Frame, Note
from acceltop.profiler.remote.clocks import RemoteClock
from acceltop.profiler.remote.link import Cut, Link, failure
from acceltop.profiler.remote.wire import DATA, NUMBER, OUT, WORD, Unpacker, WireError, parse
from acceltop.profiler.source import SourceContext
from acceltop.profiler.text import clean

ASK_S = 5.0  # between two questions for the time, which also show that the link is there
FIRST_QUESTIONS, ANSWER_S = 3, 1.0
LISTEN_S = 0.25
RETRY_S, RETRY_LATER_S, LATER_S = 0.5, 5.0, 120.0
_PONG, _END = f"{WORD}pong", f"{WORD}end"
_PIECE = 1 << 16  # of a spool at once: what it unpacks to is bounded by that
MAX_BROKEN = 100  # lines that are no Frames, before the other side is given up


class RemoteSource:
    """Reads a Link that has begun. `renew` makes another one when it is lost (raises AcceltopError: try again)."""

    deadline_s = 60.0
    silence_s = 12.0  # then another link is tried

    def __init__(
        self,
        name: str,
        link: Link | None,
        renew: Callable[[int], Link],
        rename: Callable[[Frame], Frame] = lambda frame: frame,
    ) -> None:
        """Without a link it makes the first one itself. `renew` is given how many bytes of a spool we have."""
        self.name = name
        self.ended = threading.Event()
        self.last_word: Mapping[str, Any] = {}
        self.lost_frames = 0  # shed on the other side
        self.clock = RemoteClock(f"host:{name}")
        self.stays_open = False  # on closing: somebody will call `clean`
        self.output: Callable[[int, bytes], None] | None = None  # gets what a command there writes to 1 and 2
        self._spool: Unpacker | None = None
        self._have = 0
        self._renew, self._rename = renew, rename
        self._link: Link | None = link
        self._context = SourceContext()
        self._finishing = False
        self._number = 0
        self._broken = 0
        self._heard = self._asked = monotonic()
        self._lost_at = 0.0
        self._waiting: list[dict[str, Any]] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that are watched there."""
        listed = self._link.began.get("pids") if self._link is not None else None
        return tuple(pid for pid in listed if type(pid) is int) if isinstance(listed, list) else ()

    def open(self, context: SourceContext) -> Iterator[Frame]:
        """Begins with the time over there, so that all that follows is on our clock. Raises Unreachable."""
        self._context = context
        if self._link is None:
            self._link = self._renew(self._have)
            self._heard = monotonic()
        yield from self._greet(self._link)

    def poll(self) -> Iterator[Frame]:
        """Frames as they come, for one interval."""
        end = monotonic() + self._context.interval_s
        while not (self.ended.is_set() or self._context.stop.is_set()) and monotonic() < end:
            if self._link is None:
                yield from self._come_back()
            else:
                yield from self._listen(self._link, min(LISTEN_S, max(0.0, end - monotonic())))
        if self.ended.is_set():
            self._context.stop.wait(max(0.0, end - monotonic()))

    def close(self) -> None:
        """The program over there ends."""
        self.ended.set()
        if self._link is not None and not self.stays_open:
            self._link.close()

    def clean(self) -> None:
        """All that came is safe: what lies on the other side can go."""
        if self._link is not None:
            if self.last_word.get("state"):
                self._link.send({"clean": True})
            self._link.close()

    def finish(self) -> None:
        """Any thread: the other side shall say its last words; `ended` is set when they have come."""
        self._finishing = True
        link = self._link
        if link is None:
            self.ended.set()
        else:
            link.send({"stop": True})

    def _greet(self, link: Link) -> Iterator[Frame]:
        yield from self._first_facts(link)
        for _ in range(FIRST_QUESTIONS):
            link.ask_time()
        # Frames wait for the clock, but not for long.
        end = monotonic() + ANSWER_S
        answers = 0
        while answers < FIRST_QUESTIONS and monotonic() < end and self._ready(link, LISTEN_S):
            try:
                self._waiting += link.read()
            except Cut:  # the next look finds the same, and says it
                break
            except WireError as error:
                raise self._nonsense(str(error)) from None
            answers = sum(message.get("kind") == _PONG for message in self._waiting)
        waiting, self._waiting = self._waiting, []
        for message in sorted(waiting, key=lambda message: message.get("kind") != _PONG):
            yield from self._take(message)

    def _first_facts(self, link: Link) -> Iterator[Frame]:
        trouble = clean(str(link.about.get("no_cache") or ""), 200)
        if trouble:
            text = f"nothing can be kept on {self.name} ({trouble}): the program is sent again at each start"
            yield self._note("info", "remote.no_cache", text)

    def _listen(self, link: Link, timeout_s: float) -> Iterator[Frame]:
        now = monotonic()
        if now - self._asked >= ASK_S:
            self._asked = now
            link.ask_time()
        if not self._ready(link, timeout_s):
            if now - self._heard > self.silence_s:
                yield from self._lose(link, f"nothing was heard for {self.silence_s:g} s")
            return
        try:
            messages = link.read()
        except Cut as cut:
            yield from self._lose(link, str(cut))
            return
        except WireError as error:
            raise self._nonsense(str(error)) from None
        self._heard = now
        for message in messages:
            yield from self._take(message)

    def _ready(self, link: Link, timeout_s: float) -> bool:
        return link.has_early or bool(select.select([link], (), (), timeout_s)[0])

    def _take(self, message: dict[str, Any]) -> Iterable[Frame]:
        kind = message.get("kind")
        if kind == _PONG:
            return self._pong(message)
        if kind == _END:
            return self._end(message)
        if kind == DATA:
            return self._data(message)
        if kind == OUT:
            return self._out(message)
        return self._frame(message)

    def _pong(self, message: Mapping[str, Any]) -> Iterable[Frame]:
        asked, theirs = message.get("ping"), message.get("at")
        if type(asked) is not int or type(theirs) is not int or not 0 <= theirs < 2**63:
            return ()
        sync = self.clock.answered(asked, theirs, now_ns())
        return () if sync is None else (sync,)

    def _end(self, message: Mapping[str, Any]) -> Iterable[Frame]:
        self.last_word = message
        self.ended.set()
        error = failure(message)
        if error is not None:
            yield self._note("error", "remote.failed", error.cause, error.next_step)

    def _data(self, message: Mapping[str, Any]) -> Iterator[Frame]:
        """Bytes of a spool: those that we do not have yet."""
        at, text = message.get("at"), message.get("bytes")
        if type(at) is not int or not isinstance(text, str) or not 0 <= at <= self._have:
            raise self._nonsense("bytes that are none")
        try:
            data = b64decode(text, validate=True)[self._have - at :]
            self._spool = self._spool or Unpacker()
            pieces = [data[begin : begin + _PIECE] for begin in range(0, len(data), _PIECE)]
            for line in chain.from_iterable(map(self._spool.feed, pieces)):
                yield from self._frame(parse(line))
        except ValueError as error:
            raise self._nonsense(str(error)) from None
        self._have += len(data)

    def _out(self, message: Mapping[str, Any]) -> Iterable[Frame]:
        to, text = message.get("to"), message.get("bytes")
        if self.output is None or to not in (1, 2) or not isinstance(text, str):
            raise self._nonsense("output of no command")
        try:
            self.output(to, b64decode(text, validate=True))
        except ValueError as error:
            raise self._nonsense(str(error)) from None
        return ()

    def _frame(self, message: dict[str, Any]) -> Iterable[Frame]:
        number = message.pop(NUMBER, None)
        if type(number) is int and number > self._number:
            self.lost_frames += number - self._number - 1
            self._number = number
        try:
            frame = from_dict(message)
        except CodecError as error:
            self._broken += 1
            if self._broken == 1:
                yield self._note("warning", "remote.broken", f"{self.name} sends what is no Frame: {error}")
            if self._broken > MAX_BROKEN:
                raise self._nonsense(str(error)) from None
            return
        if frame is not None:
            yield self._rename(self.clock.ours(frame))

    def _lose(self, link: Link, why: str) -> Iterator[Frame]:
        link.close()
        self._link, self._lost_at = None, monotonic()
        if self._finishing:
            self.ended.set()
            return
        yield self._note("warning", "remote.lost", f"the link to {self.name} is lost ({clean(why, 200)}): trying again")

    def _come_back(self) -> Iterator[Frame]:
        away = monotonic() - self._lost_at
        if self._context.stop.wait(RETRY_S if away < LATER_S else RETRY_LATER_S):
            return
        try:
            link = self._renew(self._have)
        except AcceltopError as error:
            if error.exit_code.name not in ("NO_REMOTE", "FAILED"):
                # It is there again, but what was watched is not.
                self.ended.set()
                yield self._note("error", "remote.gone", error.cause, error.next_step)
            return
        self._link = link
        if self._spool is None:
            self._number = 0  # another program that counts anew
        self._heard = monotonic()
        self.clock = RemoteClock(f"host:{self.name}")
        away = monotonic() - self._lost_at
        yield self._note("info", "remote.back", f"the link to {self.name} is back after {away:.1f} s")
        yield from self._greet(link)

    def _nonsense(self, why: str) -> AcceltopError:
        return AcceltopError(f"{self.name} sends nonsense ({clean(why, 200)})", "is acceltop behind that command?")

    def _note(self, level: str, code: str, text: str, next_step: str = "") -> Note:
        return Note(now_ns(), level, code, clean(text), clean(next_step), source=self.name)
