"""A session from the command line: set off, watched until its end, and closed, whatever ends it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from acceltop.profiler.attach.life import Life
from acceltop.profiler.clock import monotonic, now_ns
from acceltop.profiler.model import ProcessGone
from acceltop.profiler.session import Session, Sink, installed
from acceltop.profiler.source import SourceContext

LOOK_S = 0.5  # how often the processes are looked at
LAST_WORDS_S = 0.5  # what the sources get to deliver after the last process ended
Tick = Callable[[], None]


@dataclass(frozen=True)
class End:
    """Why a session ended; `gone` are the processes that ended in it."""

    reason: str  # duration | exit | readings | signal | sink
    gone: tuple[Life, ...] = ()


@contextmanager
def ending_signals(asked: threading.Event | None = None) -> Iterator[threading.Event]:
    """Ctrl-C, SIGTERM and SIGHUP set this Event instead of ending the program; a second Ctrl-C ends it at once."""
    asked = asked or threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def watch(
    context: SourceContext,
    sinks: Sequence[Sink],
    ticks: Sequence[Tick] = (),
    *,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    duration_s: float | None = None,
    readings: int | None = None,
    asked: threading.Event | None = None,
) -> End:
    """Runs the installed sources into `sinks` until the time is over, all of `context.pids` ended, a signal came or
    `asked` is set, every source gave so many `readings`, or a sink failed (its error is raised)."""
    session = Session(installed(only, (*without, *_useless(context))), context, sinks, ticks)
    watched = [Life(pid) for pid in context.pids]
    with ending_signals(asked) as ending:
        session.start()
        try:
            return _until_end(session, watched, ending, duration_s, readings)
        finally:
            session.stop()


def _useless(context: SourceContext) -> tuple[str, ...]:
    """Sources that would only say that they have nothing to do."""
    if not context.pids:
        return ("agent", "stacks")
    return () if context.inject else ("agent",)


def _until_end(
    session: Session,
    watched: list[Life],
    asked: threading.Event,
    duration_s: float | None,
    readings: int | None,
) -> End:
    end = monotonic() + duration_s if duration_s is not None else None
    gone: list[Life] = []
    while not asked.wait(LOOK_S):
        if session.ended.is_set():
            return End("sink", tuple(gone))
        for process in [p for p in watched if p not in gone and p.ended()]:
            gone.append(process)
            session.put(ProcessGone(now_ns(), process.pid, process.exit_code))
        if watched and len(gone) == len(watched):
            asked.wait(LAST_WORDS_S)
            return End("exit", tuple(gone))
        if end is not None and monotonic() >= end:
            return End("duration", tuple(gone))
        if readings is not None and not session.waiting_for(readings):
            return End("readings", tuple(gone))
    return End("signal", tuple(gone))


def how_it_ended(process: Life) -> str:
    """`process 4711 ended with code 3` or what is known of it."""
    return f"process {process.pid} ended{in_words(process.exit_code)}"


def in_words(exit_code: int | None) -> str:
    """` with code 3`, ` by SIGKILL`; empty when nobody knows."""
    if exit_code is None:
        return ""
    if exit_code >= 0:
        return f" with code {exit_code}"
    try:
        return f" by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f" by signal {-exit_code}"
