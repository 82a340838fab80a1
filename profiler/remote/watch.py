"""Other machines into sinks: what `live.watch` is for this one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from acceltop.profiler.clock import monotonic
from acceltop.profiler.errors import AcceltopError
from acceltop.profiler.model import Frame
from acceltop.profiler.remote import bundle
from acceltop.profiler.remote.link import Cut, Link, Say, failure
from acceltop.profiler.remote.source import RemoteSource
from acceltop.profiler.remote.transport import Transport, Unreachable
from acceltop.profiler.remote.wire import WORD, WireError
from acceltop.profiler.session import Session, Sink
from acceltop.profiler.source import SourceContext
from acceltop.profiler.text import clean

LOOK_S = 0.1
AT_ONCE = 8  # connections that are being made
_MAY_NOT_ASK = ("Permission denied", "Host key verification failed")  # what ssh says then
Rename = Callable[[Frame], Frame]
FINISH_S = 20.0  # of which most takes none: a command that ignores SIGTERM, hung drivers there, a slow link


def as_it_is(frame: Frame) -> Frame:
    """Of one machine nothing needs another name."""
    return frame


@dataclass(frozen=True)
class Gone:
    """A watched process that ended over there; `exit_code` is negative for a signal, None where nobody knows."""

    host: str
    pid: int
    exit_code: int | None


@dataclass(frozen=True)
class End:
    """Why it ended; `reason` is duration or signal when that was decided here, else what the machines said."""

    reason: str
    gone: tuple[Gone, ...] = ()


def source(
    transport: Transport, request: Mapping[str, Any], cache: bool, link: Link | None = None, rename: Rename = as_it_is
) -> RemoteSource:
    """A machine to watch. Once a screen may be up nothing is asked on the terminal any more."""
    quiet = transport.without_questions()
    return RemoteSource(transport.label, link, lambda _: connect(quiet, request, cache, None), rename)


def connect_all(
    transports: Sequence[Transport], request: Mapping[str, Any], cache: bool, say: Say | None
) -> list[Link | AcceltopError]:
    """One result each, in their order: all at once, then those that have a question one after another."""

    def one(transport: Transport, say: Say | None = None) -> Link | AcceltopError:
        try:
            return connect(transport, request, cache, say)
        except AcceltopError as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(one, (transport.without_questions() for transport in transports)))
    return [one(transports[at], say) if _would_ask(result) else result for at, result in enumerate(results)]


def _would_ask(result: Link | AcceltopError) -> bool:
    return isinstance(result, Unreachable) and any(words in result.cause for words in _MAY_NOT_ASK)


def connect(transport: Transport, request: Mapping[str, Any], cache: bool, say: Say | None) -> Link:
    """A link that has begun; a password is asked for on the terminal. Raises Unreachable, and what is said there."""
    link = Link(transport, say)
    try:
        link.land(bundle.parts(stacks=request["stacks"]), request, cache=cache)
    except BaseException:
        link.close()
        raise
    link.hush()
    return link


def last_word(link: Link) -> Mapping[str, Any]:
    """Of a program that only answers. Raises what it says, or Unreachable when the link is cut."""
    for word in words(link):
        if word.get("kind") == f"{WORD}end":
            if told := failure(word):
                raise told
            return word
    raise AssertionError("the words of a link have no end")


def words(link: Link) -> Iterator[Mapping[str, Any]]:
    """Everything that is said, without end. Raises Unreachable when the link is cut."""
    while True:
        try:
            yield from link.read()
        except (Cut, WireError) as error:
            raise Unreachable(f"{link.label} did not answer to its end ({clean(str(error), 200)})") from None


def session(
    sources: Sequence[RemoteSource],
    context: SourceContext,
    sinks: Sequence[Sink],
    ticks: Sequence[Callable[[], None]] = (),
) -> Session:
    """A session of other machines, each of which says its own Hello."""
    loaders = {source.name: partial(_same, source) for source in sources}
    return Session(loaders, context, sinks, ticks, greeting=len(sources) > 1)


def watch(
    sources: Sequence[RemoteSource],
    context: SourceContext,
    asked: threading.Event,
    sinks: Sequence[Sink],
    ticks: Sequence[Callable[[], None]] = (),
    duration_s: float | None = None,
    left: threading.Event | None = None,
) -> End:
    """Until `asked` is set, the time is over, or all have said their last word. Raises the error of the only one.

    When `left` is set too, what is there is not told to end.
    """
    running = session(sources, context, sinks, ticks)
    running.start()
    try:
        reason = _until_end(running, sources, asked, duration_s)
        if left is None or not left.is_set():
            _finish(sources)
    finally:
        running.stop()
    words = [(source.name, source.last_word) for source in sources]
    if len(words) == 1 and (error := failure(words[0][1])):
        raise error
    said = next((str(word["reason"]) for _, word in words if "reason" in word), "")
    return End(reason or said, tuple(gone for name, word in words for gone in _gone(name, word)))


def _same(source: RemoteSource) -> RemoteSource:
    return source


def _until_end(
    session: Session, sources: Sequence[RemoteSource], asked: threading.Event, duration_s: float | None
) -> str:
    end = monotonic() + duration_s if duration_s is not None else None
    while not asked.wait(LOOK_S):
        if session.ended.is_set():
            return "sink"
        if all(source.ended.is_set() for source in sources):
            return ""
        if end is not None and monotonic() >= end:
            return "duration"
    return "signal"


def _finish(sources: Sequence[RemoteSource]) -> None:
    """What is on its way still comes in."""
    for source in sources:
        source.finish()
    end = monotonic() + FINISH_S
    for source in sources:
        source.ended.wait(max(0.0, end - monotonic()))


def _gone(host: str, word: Mapping[str, Any]) -> list[Gone]:
    found = []
    listed = word.get("gone")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, list) and len(item) == 2 and type(item[0]) is int:
            found.append(Gone(host, item[0], item[1] if type(item[1]) is int else None))
    return found
